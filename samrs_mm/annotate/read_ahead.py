"""Reading ahead of the segmentor in DataLoader workers; imported only where there are some."""

import signal
from collections.abc import Callable, Iterator
from typing import Any

import cv2
import torch
from torch.utils.data import DataLoader, IterableDataset, get_worker_info

from samrs_mm.annotate.driver import SampleStream
from samrs_mm.models.prompt_segmentors.kept_memory import free_as_usual


class _Part(IterableDataset):
    """A worker's part of a stream; images travel as tensors, which processes share."""

    def __init__(self, stream: SampleStream, work: Callable[[Any], Any] | None):
        self.stream, self.work = stream, work

    def __iter__(self) -> Iterator[Any]:
        worker: Any = get_worker_info()
        self.stream.groups = self.stream.groups[worker.id :: worker.num_workers]
        sample: Any
        for sample in self.stream:
            if self.work is not None:
                yield self.work(sample)
                continue
            if sample.image is not None:
                sample.image = torch.from_numpy(sample.image)
            yield sample


def read_ahead(
    stream: SampleStream, workers: int, work: Callable[[Any], Any] | None = None
) -> Iterator[Any]:
    """Yield what a stream yields, or what ``work`` makes of it; a group is read by one worker."""
    loader = DataLoader(
        _Part(stream, work), batch_size=None, num_workers=workers, worker_init_fn=_start_worker
    )
    for item in loader:
        if work is None and item.image is not None:
            item.image = item.image.numpy()
        yield item


def _start_worker(_: int) -> None:
    """Make a worker read on one thread, keep no memory, and leave signals to the main process."""
    free_as_usual()  # a fork of a process with a loaded segmentor keeps each scene's
    cv2.setNumThreads(0)
    torch.set_num_threads(1)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
