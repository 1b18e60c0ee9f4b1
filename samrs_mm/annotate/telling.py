"""What runs say of a folder while they work: what changed, what is entered, what would be done."""

import sys

from samrs_mm.annotate import closing_table, dry_run
from samrs_mm.annotate.changes import Changes
from samrs_mm.annotate.job import AnnotationJob
from samrs_mm.cli import progress
from samrs_mm.core import input_notes
from samrs_mm.core.input_notes import some
from samrs_mm.core.wording import counted, plural


def tell_changes(changes: Changes, *words: str) -> None:
    """Say what has changed since images were done; see ``Changes.lines``."""
    for line in changes.lines(*words):
        print(line)
    if changes.unnoted:
        print(
            f'{counted(changes.unnoted, "image")} had no note of '
            f'{plural(changes.unnoted, "its", "their")} input in {input_notes.NAME}; the '
            'records and the hashes of their files were compared'
        )


def tell_entered(job: AnnotationJob) -> None:
    """Enter what people decided since the last run, and say of which images."""
    if stems := job.enter_corrections(progress('entering corrections')):
        print(f'corrected: {counted(len(stems), "image")}, as people decided: {some(stems)}')
    others = sorted(job.out.corrected() - {tile.stem for tile in job.plan.tiles})
    if others:
        print(
            f'corrections of {counted(len(others), "image")} that the data '
            f'{plural(len(others), "has", "have")} not (any more) are left alone: {some(others)}'
        )


def tell_gone(job: AnnotationJob, changes: Changes) -> int:
    """Name what the data has no longer, and return how many images that are."""
    if changes.gone:
        print(
            f'gone: {counted(len(changes.gone), "image")} of {job.out.root} '
            f'{plural(len(changes.gone), "is", "are")} not in {job.dataset.root} any '
            f'more: {some(changes.gone)}; no list names them; --prune deletes their files',
            file=sys.stderr,
        )
    return len(changes.gone)


def tell_plan(job: AnnotationJob) -> int:
    """Say what a run would do; return the exit code."""
    job.refuse_other()
    work = dry_run.work_of(job, progress('looking at boxes'))
    counts = work.statuses
    prompted = counts.pop('ok', 0)
    changes = job.compare(progress=progress('comparing'))
    done = len(job.out.done()) - len(changes.redo) - len(changes.stale) - len(changes.gone)
    print(f'images   {len(job.plan.tiles)} from {counted(job.label_counts.scenes, "scene")}, '
          f'{done} done before')  # fmt: skip
    if job.grid is None:
        print(f'boxes    {job.label_counts.boxes} in the labels, {counted(prompted, "prompt")}')
        for status, count in counts.most_common():
            print(f'  {status:<10} {count} would be skipped')
        for line in closing_table.class_lines(job):
            print(line)
    else:
        print(f'points   {prompted}')
    tell_changes(changes, 'to do anew', 'to rename')
    tell_gone(job, changes)
    speed = dry_run.measure_speed(job)
    if speed is None:
        print('speed    none of three images could be read')
        return 1
    encodes = work.prompted_images
    if job.store:
        stored = dry_run.store_size(job, job.store, work, speed)
        encodes = max(encodes - stored.there, 0)
        print(_store_line(job, stored))
    images = len(job.plan.tiles)
    seconds = images * speed.seconds_per_image + prompted * speed.seconds_per_box
    seconds += encodes * speed.seconds_per_encode
    size = dry_run.disk_bytes(job, images, prompted, speed)
    prompts = 'box' if job.grid is None else 'point'
    measured = f'{counted(speed.images, "image")}, {counted(speed.boxes, prompts)}'
    print(f'time     about {_duration(seconds)} in one process (measured on {measured})')
    print(f'disk     about {size / 1e6:,.1f} MB')
    return 0


def _store_line(job: AnnotationJob, stored: dry_run.StoreSize) -> str:
    """Say how large the store of embeddings will be."""
    fits = '' if stored.bytes_more <= stored.bytes_free else '  <- they do not fit there'
    return (
        f'embeddings {stored.there} of {stored.images} in {job.embeddings} '
        f'({job.embeddings_dtype}), about {stored.bytes_more / 1e6:,.1f} MB more, '
        f'{stored.bytes_free / 1e9:,.1f} GB free there{fits}'
    )


def _duration(seconds: float) -> str:
    minutes, seconds = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f'{hours} h {minutes} min' if hours else f'{minutes} min {seconds} s'
