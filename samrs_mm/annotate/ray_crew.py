"""Annotation by Ray's actors: work flows to whoever is free, on machines that come and go.

An actor holds a whole job of its own, as a shard does, and writes into the same folder. This
process plans, hands out scenes and writes the set-level files; it loads no weights.
"""

import argparse
import logging
import os
import socket
from collections import Counter, deque
from collections.abc import Iterator, Sequence, Set
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from mmengine.config import Config
from tqdm import tqdm

from samrs_mm.annotate.driver import RunResult
from samrs_mm.annotate.job import AnnotationJob, Groups
from samrs_mm.config_files import load_config
from samrs_mm.core.errors import RefusedError, SamrsError, SegmentorError
from samrs_mm.core.parallel import usable_cores
from samrs_mm.core.prompts import PromptBatch, PromptSetting
from samrs_mm.models.prompt_segmentors.base import MaskChunk, PromptSegmentor

if TYPE_CHECKING:
    from typing_extensions import Self  # typing has it from Python 3.11 on

MOST_TILES = 64
"""Handed out at once."""
MOST_DEATHS = 3
"""Actors in a row that may die over an image, none of them having done one."""
_STORE_BYTES = 80 * 2**20
_PATIENCE = 5.0


@dataclass(frozen=True)
class Order:
    """What an actor builds its job from.

    Args:
        config: The annotate config.
        options: Its ``--cfg-options``.
        flags: Values of the tool's own flags by dotted key, see ``cli.load_config``.
        workers: Processes that read ahead in each actor.
        device: What the config says of the segmentor's device; None: nothing.
        embeddings: Folder and type of stored embeddings, see ``AnnotationJob.use_embeddings``.
        folder: The working directory, from which paths are meant.
    """

    config: str
    options: dict[str, Any]
    flags: dict[str, Any]
    workers: int = 0
    device: str | None = None
    embeddings: tuple[str, str] | None = None
    folder: str = field(default_factory=os.getcwd)


@dataclass(frozen=True)
class Portion:
    """Stems of tiles by scene, and how many actors in a row died over them without a record."""

    scenes: tuple[tuple[str, ...], ...]
    deaths: int = 0

    def __len__(self) -> int:
        return sum(map(len, self.scenes))

    def after_death(self, done: Set[str]) -> list['Portion']:
        """Return what is left after an actor died over it, scene by scene.

        Actors that come and go may die over a large scene as often as they like, as long as each
        gets on. Where none does, the scene is halved again and again, until the image that ends
        them is alone.

        Args:
            done: Stems that have a record.
        """
        parts = []
        for scene in self.scenes:
            left = tuple(stem for stem in scene if stem not in done)
            deaths = self.deaths + 1 if len(left) == len(scene) else 0
            if deaths < MOST_DEATHS or len(left) == 1:
                parts.append(Portion((left,), deaths))
            else:
                half = len(left) // 2
                parts += [Portion((each,), MOST_DEATHS - 1) for each in (left[:half], left[half:])]
        return [part for part in parts if len(part)]


def hire(
    job: AnnotationJob, config: Config, args: argparse.Namespace, flags: dict[str, Any]
) -> 'Crew':
    """Return the actors, not started yet, for what ``sam_annotate.py`` was told."""
    stored = None if args.embeddings is None else (args.embeddings, args.embeddings_dtype)
    options, device = args.cfg_options or {}, config.model.get('device')
    return Crew(job, Order(args.config, options, flags, args.workers, device, stored))


class Hand:
    """What an actor does: it holds a job and works on the scenes that it is given."""

    def __init__(self, order: Order):
        self.order = order

    def load(self) -> dict[str, Any]:
        """Build the job and load the weights; return what decides masks, or why it can't."""
        order = self.order
        try:
            os.chdir(order.folder)
            config = load_config(order.config, order.options, order.flags)
            self.job = AnnotationJob(config, Path(config.filename).name)
            if order.embeddings is not None:
                self.job.use_embeddings(*order.embeddings)
            self.job.load()
            if self.job.store is not None:
                self.job.store.open()
            self.job.collect_classes()
        except (SamrsError, OSError) as error:
            return dict(node=socket.gethostname(), refused=str(error))
        self.tiles = {tile.stem: tile for tile in self.job.plan.tiles}
        segmentor = self.job.segmentor
        return dict(
            node=socket.gethostname(),
            settings=segmentor.settings,
            sha256=segmentor.checkpoint_sha256,
        )

    def run(self, portion: Portion, settings: dict[str, Any]) -> RunResult | str:
        """Do the tiles of a portion that have no record; return a line where no image can be."""
        try:
            groups = [[self.tiles[stem] for stem in scene] for scene in portion.scenes]
        except KeyError as error:
            return f'{socket.gethostname()}: {self.job.dataset.root} there has no image {error}'
        try:
            return self.job.annotator(settings, groups, self.order.workers, quiet=True).run()
        except SamrsError as error:
            return f'{socket.gethostname()}: {error}'


class Elsewhere(PromptSegmentor):
    """A segmentor that is loaded in actors: what it says of itself, without its network."""

    def __init__(self, local: PromptSegmentor, told: dict[str, Any]):
        self._local, self._settings = local, told['settings']
        self.checkpoint_sha256 = told['sha256']
        self.provided_scores, self.threads = local.provided_scores, local.threads
        self.takes_masks = local.takes_masks
        for name in ('packages', 'unchecked'):
            setattr(self, name, getattr(local, name, ()))

    @property
    def reduced(self) -> bool:
        """As the segmentor itself."""
        return self._local.reduced

    @property
    def settings(self) -> dict[str, Any]:
        """Those that the actors have."""
        return self._settings

    def unsupported(self, setting: PromptSetting) -> str | None:
        """As the segmentor itself."""
        return self._local.unsupported(setting)

    def encode(self, images: Sequence[np.ndarray]) -> list[Any]:
        """Raise: there is no network here."""
        raise SegmentorError('its network is loaded in the actors')

    def decode(self, encoded: Any, prompts: PromptBatch) -> Iterator[MaskChunk]:
        """Raise: there is no network here."""
        raise SegmentorError('its network is loaded in the actors')


class Crew:
    """Ray's actors at work on one job; a context, which ends them.

    There is an actor for each GPU of the cluster or, without any, for as many cores as the
    segmentor has threads; more are started when machines come.

    Args:
        job: The job, its segmentor not loaded.
        order: What the actors build theirs from.

    Raises:
        RefusedError: Ray is missing, or no cluster answers.
    """

    def __init__(self, job: AnnotationJob, order: Order):
        self.job, segmentor = job, job.segmentor
        self.cores = segmentor.threads if 'threads' in segmentor.settings else 1
        self.takes_gpu = 'device' in segmentor.settings and order.device != 'cpu'
        if 'threads' in segmentor.settings:
            order = replace(order, options=order.options | {'model.threads': self.cores})
        self.order = order
        self.ray = _import_ray()
        self.idle: list[Any] = []
        self.busy: dict[Any, tuple[Any, Portion | None]] = {}
        self.refused: list[str] = []
        self.fallen: list[str] = []
        self.told: dict[str, Any] | None = None

    def __enter__(self) -> 'Self':
        _connect(self.ray)
        return self

    def __exit__(self, *_: object) -> None:
        self.ray.shutdown()

    def load(self) -> Elsewhere:
        """Start actors, and wait until the first is ready; return its segmentor.

        Raises:
            RefusedError: None of them can load it.
        """
        while self.told is None:
            self._hire(len(self.job.plan.by_scene))
            if not self.busy:
                raise RefusedError(self._first_reason())
            self._receive()
        return Elsewhere(self.job.segmentor, self.told)

    def run(self, settings: dict[str, Any], groups: Groups) -> RunResult:
        """Have all tiles done that have no record.

        Raises:
            SamrsError: An actor says that going on is no use, or none is left.
        """
        done = self.job.out.done()
        left = [tuple(t.stem for t in tiles if t.stem not in done) for tiles in groups]
        waiting = deque(scene for scene in left if scene)
        again: deque[Portion] = deque()
        count, images, failures = sum(map(len, waiting)), 0, list[str]()
        statuses: Counter[str] = Counter()
        skipped = sum(map(len, groups)) - count
        with tqdm(total=count, unit='img', disable=not count, mininterval=0.5) as bar:
            while waiting or again or self._at_work():
                self._hire(len(waiting) + len(again))
                while self.idle and (waiting or again):
                    portion = again.popleft() if again else _next(waiting, self._hands() or 1)
                    actor = self.idle.pop()
                    self.busy[actor.run.remote(portion, settings)] = actor, portion
                if not self.busy:
                    raise SamrsError(f'no actor is left: {self._first_reason()}')
                for portion, result in self._receive():
                    if result is None:
                        parts = portion.after_death(self.job.out.done())
                        again.extend(part for part in parts if part.deaths < MOST_DEATHS)
                        lost = [part for part in parts if part.deaths >= MOST_DEATHS]
                        failures += [_deadly(part) for part in lost]
                        got = len(portion) - sum(map(len, parts))
                        images += got
                        bar.update(got + sum(map(len, lost)))
                        continue
                    images += result.images
                    failures += result.failures
                    statuses.update(result.statuses)
                    bar.update(len(portion))
        return RunResult(images, skipped, tuple(failures), dict(statuses))

    def _first_reason(self) -> str:
        return (self.refused + self.fallen)[0]

    def _at_work(self) -> bool:
        return any(portion is not None for _, portion in self.busy.values())

    def _hands(self) -> int:
        return len(self.idle) + len(self.busy)

    def _hire(self, wanted: int) -> None:
        """Start actors as long as there is work and room for them."""
        cluster = self.ray.cluster_resources()
        gpus, cpus = (int(cluster.get(kind, 0)) for kind in ('GPU', 'CPU'))
        if self.takes_gpu and gpus:
            room, need = gpus, dict(num_gpus=1)
        else:
            room, need = max(1, cpus // self.cores), dict(num_cpus=min(self.cores, max(1, cpus)))
        room -= len(self.refused) + len(self.fallen)
        for _ in range(min(room, wanted) - self._hands()):
            actor = self.ray.remote(Hand).options(**need).remote(self.order)
            self.busy[actor.load.remote()] = actor, None

    def _receive(self) -> list[tuple[Portion, RunResult | None]]:
        """Return what actors have done since; None for a portion whose actor died."""
        failures = self.ray.exceptions
        deaths = failures.RayActorError, failures.OutOfMemoryError, failures.WorkerCrashedError
        ready, _ = self.ray.wait(list(self.busy), timeout=_PATIENCE)
        results: list[tuple[Portion, RunResult | None]] = []
        for ref in ready:
            actor, portion = self.busy.pop(ref)
            try:
                result = self.ray.get(ref)
            except deaths as error:
                if portion is None:
                    self.fallen.append(f'an actor died while it loaded: {error}')
                else:
                    results.append((portion, None))
                continue
            if portion is None:
                self._welcome(actor, result)
                continue
            if isinstance(result, str):
                raise SamrsError(result)
            self.idle.append(actor)
            results.append((portion, result))
        return results

    def _welcome(self, actor: Any, told: dict[str, Any]) -> None:
        """Take an actor in whose job is that of the others."""
        own = {key: told.get(key) for key in ('settings', 'sha256')}
        if 'refused' not in told and self.told in (None, own):
            self.told = own
            self.fallen.clear()  # machines go at any time; only where all actors fall is it no use
            self.idle.append(actor)
            return
        reason = told.get('refused') or f'other settings or weights there: {own}, not {self.told}'
        self.refused.append(f'{told["node"]}: {reason}')
        self.ray.kill(actor)


def _next(waiting: deque, hands: int) -> Portion:
    """Take scenes for one actor: large portions first, single scenes at the end."""
    share = min(MOST_TILES, sum(map(len, waiting)) // (3 * hands))
    scenes = [waiting.popleft()]
    while waiting and sum(map(len, scenes)) + len(waiting[0]) <= share:
        scenes.append(waiting.popleft())
    return Portion(tuple(scenes))


def _deadly(portion: Portion) -> str:
    ((stem,),) = portion.scenes
    return f'{stem}: {MOST_DEATHS} actors died over it, perhaps out of memory'


def _import_ray() -> Any:
    try:
        import ray
    except ImportError as error:
        raise RefusedError('--launcher ray needs Ray: pip install "ray>=2.40"') from error
    return ray


def _connect(ray: Any) -> None:
    """Join the cluster that ``RAY_ADDRESS`` names, or one on this machine; else be one."""
    os.environ.setdefault('RAY_USAGE_STATS_ENABLED', '0')
    named = os.environ.get('RAY_ADDRESS')
    quiet = dict(log_to_driver=False, logging_level=logging.ERROR)
    if named != 'local':
        try:
            ray.init(address=named or 'auto', **quiet)
            return
        except ConnectionError as error:
            if named:
                raise RefusedError(
                    f'RAY_ADDRESS={named}: no Ray cluster answers there; start one by `ray start '
                    '--head`, or leave RAY_ADDRESS out for this machine alone'
                ) from error
    try:
        ray.init(
            address='local', num_cpus=usable_cores(), include_dashboard=False,
            object_store_memory=_STORE_BYTES, **quiet,
        )  # fmt: skip
    except Exception as error:
        raise RefusedError(f'--launcher ray: Ray did not start on this machine: {error}') from error
