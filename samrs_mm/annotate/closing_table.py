"""The table that ends a run: images, boxes by what became of them, classes, notes."""

from collections.abc import Iterator

from samrs_mm.annotate.finalise import Totals
from samrs_mm.annotate.job import AnnotationJob
from samrs_mm.core.rendering import advice
from samrs_mm.core.wording import counted
from samrs_mm.formats.annotated.entries import OUTSIDE

_NOTES = 5


def lines(job: AnnotationJob, totals: Totals) -> Iterator[str]:
    """Yield the table's lines.

    Args:
        job: Has collected its classes.
        totals: Of its folder.
    """
    images = ', '.join(f'{count} {state}' for state, count in totals.images.items() if count)
    yield f'images   {len(job.plan.tiles)} ({images})'
    bare = f' ({totals.bare} of an image or label file, not of a box)' if totals.bare else ''
    what = f'boxes    {totals.boxes} in the labels' if job.grid is None else 'masks    no labels'
    yield f'{what}, {counted(totals.rows.total(), "ledger row")}{bare}'
    for status, count in totals.rows.most_common():
        mark = ''
        if status in totals.examples:
            mark = f'  <- see ledger.csv, such as {totals.examples[status]}'
        elif status == OUTSIDE and totals.no_data:
            mark = f'  ({totals.no_data} where there is no data)'
        yield f'  {status:<10} {count}{mark}'
    if elsewhere := job.dataset.elsewhere:
        yield f'  elsewhere  {elsewhere}  (far from all scenes, not in the ledger)'
    if job.grid is None:
        yield from class_lines(job)
    yield from _note_lines(totals)
    yield f'written  {job.out.root}' + (' (partial: images are missing)' if totals.partial else '')


def class_lines(job: AnnotationJob) -> Iterator[str]:
    """Yield how many boxes of the labels each class has."""
    counts = job.label_counts.classes
    held = [f'{name} {count}' for name, count in counts.items() if count]
    yield f'classes  {len(counts)}: {", ".join(held) or "none has a box"}'
    bare = [name for name, count in counts.items() if not count]
    if bare and held:
        yield f'  without a box: {", ".join(bare)}'


def _note_lines(totals: Totals) -> Iterator[str]:
    """Yield what was noted of pictures and labels, the most frequent first."""
    plural = dict(image='images', box='boxes')
    for (what, note), count in totals.notes.most_common(_NOTES):
        more = f' ({hint})' if (hint := advice(note)) else ''
        yield f'note     {count} {what if count == 1 else plural[what]}: {note}{more}'
    if len(totals.notes) > _NOTES:
        yield f'note     {len(totals.notes) - _NOTES} more; see ledger.csv and the records'
