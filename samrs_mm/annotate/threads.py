"""The threads of torch that a folder was started with: later runs keep them, as rounding does."""

from collections.abc import Callable
from typing import Any

from samrs_mm.core.errors import RefusedError
from samrs_mm.core.parallel import compute_threads
from samrs_mm.core.wording import counted
from samrs_mm.formats.annotated.folder import AnnotatedFolder
from samrs_mm.models.prompt_segmentors.base import PromptSegmentor


def keep_threads(segmentor: PromptSegmentor, out: AnnotatedFolder) -> bool:
    """Give a segmentor the threads its folder was started with, where the config gives none.

    Returns:
        Whether they are others than it had.

    Raises:
        RefusedError: The folder's ``meta.json`` is damaged.
    """
    settings = (out.read() or {}).get('settings')
    model = settings.get('model') if isinstance(settings, dict) else None
    threads = model.get('threads') if isinstance(model, dict) else None
    if not segmentor.threads_left_open or type(threads) is not int or threads < 1:
        return False
    if 'threads' not in segmentor.settings or threads == segmentor.threads:
        return False
    segmentor.take_threads(threads)
    return True


def open_folder(
    segmentor: PromptSegmentor,
    out: AnnotatedFolder,
    settings: Callable[[], dict[str, Any]],
    relabel: bool = False,
) -> dict[str, Any]:
    """Open a folder (see ``AnnotatedFolder.open``) and return the settings it is worked on with.

    Where another machine started it a moment ago, its threads are taken.

    Raises:
        RefusedError: As ``AnnotatedFolder.open``.
    """
    ours = settings()
    try:
        out.open(ours, relabel)
    except RefusedError:
        if not keep_threads(segmentor, out):
            raise
        ours = settings()
        out.open(ours, relabel)
    return ours


def misfit(segmentor: PromptSegmentor, out: AnnotatedFolder) -> str | None:
    """Return a line where a folder's threads are not those that fit this machine, else None."""
    here, settings = compute_threads(), segmentor.settings
    if not segmentor.threads_left_open or segmentor.threads == here:
        return None
    if 'threads' not in settings or settings.get('device') != 'cpu':
        return None
    effect = 'cores stay idle' if segmentor.threads < here else "they get in each other's way"
    return (
        f'out {out.root} was started with {counted(segmentor.threads, "thread")}, this process '
        f'could use {here}: {effect}, but the number stays, as rounding follows it; '
        f'--restart, or another --out, begins with {here}'
    )
