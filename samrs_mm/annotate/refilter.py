"""Other filters for a folder that is annotated already: nothing is segmented again."""

from collections.abc import Callable, Iterable, Iterator
from typing import Any

from samrs_mm.annotate.correcting import correct
from samrs_mm.annotate.writer import MaskFilters
from samrs_mm.core.atomic import atomic_write, dump, load
from samrs_mm.core.errors import RefusedError
from samrs_mm.core.images import write_png
from samrs_mm.core.resumable import signature_of
from samrs_mm.formats.annotated import folder
from samrs_mm.formats.annotated.folder import AnnotatedFolder
from samrs_mm.formats.annotated.record import CURE, Record, RecordError
from samrs_mm.formats.corrections.applying import restore


def refilter(
    out: AnnotatedFolder,
    old: dict[str, Any],
    filters: MaskFilters,
    progress: Callable[[Iterable], Iterator] = iter,
) -> dict[str, Any]:
    """Filter all masks of a folder again, which was started with the ``old`` settings.

    Its records and label maps become those of a new run.

    The records hold every mask, kept or filtered, with its measures. While this is at work
    ``meta.json`` says so, and all else is refused; the finaliser, which has to be run next, ends
    that. A record is written after its label map, with the new signature, so a killed call is
    repeated and goes on where it stopped.

    Returns:
        The new settings.

    Raises:
        RefusedError: An interrupted call was going to other filters, or a record is damaged or of
            neither the old nor the new settings.
    """
    new = old | dict(filters=filters.as_dict())
    before, after = signature_of(old), signature_of(new)
    with out.lock():
        meta = load(out.meta.read_bytes())
        if meta.get(folder.REFILTERING, after) != after:
            out.refuse_half_filtered(meta)
        atomic_write(out.meta, dump(meta | {folder.REFILTERING: after}))
        for stem in progress(sorted(out.done())):
            path = out.path(folder.INSTANCES, stem)
            try:
                record = Record.load_checked(path)
            except RecordError as error:
                raise RefusedError(
                    f'{str(error).removesuffix(CURE)}; delete it, repeat this command, then run '
                    'without --refilter'
                ) from error
            if record.signature not in (before, after):
                raise RefusedError(f'{path}: made with other settings{CURE}')
            if record.signature == before != after:
                restore(record)
                filters.apply(record)
                correct(record, out, stem, old['dataset']['classes'])
                write_png(out.path(folder.SEMANTIC, stem), record.paint(old['overlap_policy']))
                record.signature = after
                record.write(path)
    return new
