"""Corrections entered into the records and label maps of an annotated folder.

The file of corrections is what counts: whatever is written next follows from it, so that the next
call makes good one that was killed.
"""

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence

from samrs_mm.core.images import write_png
from samrs_mm.formats.annotated import folder
from samrs_mm.formats.annotated.folder import AnnotatedFolder
from samrs_mm.formats.annotated.record import Record, RecordError
from samrs_mm.formats.corrections.actions import Corrections, CorrectionsError
from samrs_mm.formats.corrections.applying import enter


def corrections_of(out: AnnotatedFolder, stem: str) -> Corrections | None:
    """Return what people decided about an image; None where they did not.

    Raises:
        CorrectionsError: Its file is damaged.
    """
    path = out.corrections(stem)
    return Corrections.load(path) if path.exists() else None


def correct(record: Record, out: AnnotatedFolder, stem: str, classes: Sequence[str]) -> None:
    """Enter what people decided about an image into its record, which has to be painted next.

    Raises:
        CorrectionsError: Its file is damaged.
    """
    enter(record, corrections_of(out, stem), classes)


def enter_corrections(
    out: AnnotatedFolder,
    classes: Sequence[str],
    policy: str,
    stems: Collection[str] | None = None,
    progress: Callable[[Iterable], Iterator] = iter,
) -> list[str]:
    """Bring records and label maps up to their corrections; return the stems of those that changed.

    Until the set-level files are written again ``meta.json`` calls the folder partial. Damaged
    files are named by the finaliser.

    Args:
        out: The folder.
        classes: Its class names.
        policy: Its overlap policy.
        stems: Images to look at; None looks at all that have corrections.
        progress: Wraps the iterator over images.

    Raises:
        OSError: A file can't be written.
    """
    found = out.corrected() & out.done()
    if stems is not None:
        found &= set(stems)
    changed: list[str] = []
    for stem in progress(sorted(found)):
        path = out.path(folder.INSTANCES, stem)
        try:
            corrections = Corrections.load(out.corrections(stem))
            record = Record.load_checked(path)
        except (CorrectionsError, RecordError):
            continue
        before = (record.corrections or {}).get('sha256', '')
        if before == corrections.digest:
            continue
        with out.lock():
            if not changed:
                out.reopen()
            enter(record, corrections, classes)
            write_png(out.path(folder.SEMANTIC, stem), record.paint(policy))
            record.write(path)
        changed.append(stem)
    return changed
