"""Whether a segmentor's faster way gives the masks of its exact one, on the user's own pictures.

``compare`` makes masks both ways and ``Fidelity`` measures how far they agree; the report is a JSON
file named by what it is about: network, weights, precision, kernels, device, prompt and versions.
``refuse_unchecked`` keeps a reduced precision from annotating without a report that passes.
"""

import argparse
import hashlib
import json
import shlex
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from samrs_mm.annotate.driver import SampleStream
from samrs_mm.annotate.job import AnnotationJob
from samrs_mm.annotate.plan import Tile
from samrs_mm.annotate.writer import Sample
from samrs_mm.compat import strict_loading
from samrs_mm.core import masks as mask_ops
from samrs_mm.core.atomic import atomic_write, dump, load
from samrs_mm.core.errors import RefusedError, describe
from samrs_mm.core.grid import GRID
from samrs_mm.core.wording import counted
from samrs_mm.models.prompt_segmentors.base import PromptSegmentor
from samrs_mm.models.prompt_segmentors.storable import versions_of
from samrs_mm.registry import PROMPT_SEGMENTORS, build

FOLDER = Path('work_dirs/fidelity')
"""Where reports are written, and looked for."""

LEAST = 0.99
"""Mean IoU of a report that passes, and the IoU below which masks are counted."""

_FORMAT = 1
_LARGEST = 1 << 24
_WORST = 20
_ROUNDING = ('chunk', 'images_per_pass', 'threads', 'unchecked')
Progress = Callable[[Iterable], Iterator]


@dataclass(frozen=True)
class Enough:
    """How many masks, of how many images, a report has to be of: ``fidelity`` of a config.

    Args:
        masks: Of 100 masks one at least shows what befalls 3 % of them, with a chance of 95 %.
        images: Masks of one image share an encoding, so it takes several; 10 show what befalls a
            quarter of the images, with the same chance.
    """

    masks: int = 100
    images: int = 10

    @classmethod
    def from_config(cls, entry: Mapping[str, Any] | None) -> 'Enough':
        """Build from a config's ``fidelity``; None is the default.

        Raises:
            RefusedError: An unknown key, or no whole number from 1.
        """
        values = {} if entry is None else entry
        known = cls.__dataclass_fields__
        if not isinstance(values, Mapping) or set(values) - set(known):
            raise RefusedError(f'fidelity={entry!r}; allowed: None or dict(masks=100, images=10)')
        for key, value in values.items():
            if type(value) is not int or value < 1:
                raise RefusedError(f'fidelity.{key}={value!r}; a whole number from 1 is needed')
        return cls(**values)

    def __str__(self) -> str:
        return f'{counted(self.masks, "mask")} of {counted(self.images, "image")}'


@dataclass
class ImageMasks:
    """What a segmentor made of an image: a mask, its score and its stability for each box.

    ``choices`` say which of its masks a segmentor chose, where it chooses; ``error`` why there is
    no mask.
    """

    boxes: list[str]
    masks: list[dict] = field(default_factory=list)
    scores: list[float] = field(default_factory=list)
    stability: list[float] = field(default_factory=list)
    choices: list[int] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    error: str | None = None


@dataclass(frozen=True)
class Fidelity:
    """How far masks of two ways agree, those of the exact one first.

    Args:
        pairs: By image.
    """

    pairs: Mapping[str, tuple[ImageMasks, ImageMasks]]

    @property
    def failed(self) -> dict[str, str]:
        """The images of which one way made no mask, with the reason."""
        reasons = {name: one.error or other.error for name, (one, other) in self.pairs.items()}
        return {name: reason for name, reason in reasons.items() if reason is not None}

    @property
    def lost(self) -> list[str]:
        """The images of which only the faster way made no mask."""
        return [name for name, (one, other) in self.pairs.items() if other.error and not one.error]

    def summary(self) -> dict[str, Any]:
        """Return the numbers of all images, None where there is nothing to take them from."""
        done = {name: pair for name, pair in self.pairs.items() if name not in self.failed}
        ious, shares, by_image, worst = [], [], {}, []
        for name, (one, other) in done.items():
            found = [_agreement(a, b) for a, b in zip(one.masks, other.masks, strict=True)]
            ious += [iou for iou, _ in found]
            shares += [share for _, share in found]
            worst += [(iou, name, box) for (iou, _), box in zip(found, one.boxes, strict=True)]
            by_image[name] = dict(masks=len(found), notes=other.notes, **_of_ious(found))
        pairs = list(done.values())
        least = sorted(worst)[:_WORST]
        return dict(
            images=len(done),
            masks=len(ious),
            iou_mean=_mean(ious),
            iou_min=min(ious, default=None),
            below=_mean([iou < LEAST for iou in ious]),
            pixels=_mean(shares),
            swapped=_swapped(pairs),
            score=_differences([(one.scores, other.scores) for one, other in pairs]),
            stability=_differences([(one.stability, other.stability) for one, other in pairs]),
            noted=sum(bool(other.notes) for _, other in pairs),
            failed=self.failed,
            lost=self.lost,
            worst=[dict(image=name, box=box, iou=iou) for iou, name, box in least],
            by_image=by_image,
        )


def _agreement(one: dict, other: dict) -> tuple[float, float]:
    """Return the IoU of two masks, 1 for two empty ones, and the share of pixels that differ."""
    shared, union = mask_ops.overlap(one, other)
    height, width = one['size']
    return shared / union if union else 1.0, (union - shared) / (height * width)


def _of_ious(found: Sequence[tuple[float, float]]) -> dict[str, Any]:
    ious = [iou for iou, _ in found]
    return dict(iou_mean=_mean(ious), iou_min=min(ious, default=None))


def _mean(values: Sequence[float]) -> float | None:
    return float(np.mean(values)) if values else None


def _swapped(pairs: Sequence[tuple[ImageMasks, ImageMasks]]) -> float | None:
    """Return the share of masks of which the two ways chose another; None if they don't choose."""
    return _mean([a != b for x, y in pairs for a, b in zip(x.choices, y.choices, strict=True)])


def _differences(pairs: Sequence[tuple[list[float], list[float]]]) -> dict[str, Any]:
    values = [abs(a - b) for x, y in pairs for a, b in zip(x, y, strict=True)]
    return dict(mean=_mean(values), max=max(values, default=None))


def exact_of(entry: Mapping[str, Any], segmentor: PromptSegmentor) -> PromptSegmentor:
    """Return the segmentor of a config's ``model`` as it computes exactly, not loaded.

    Raises:
        RefusedError: It has one way only, or the config already names the exact one.
    """
    name = type(segmentor).__name__
    if not segmentor.exact_options:
        raise RefusedError(f'{name} computes in one way only: there is nothing to compare')
    options = segmentor.exact_options
    changed = {key: value for key, value in options.items() if getattr(segmentor, key) != value}
    if not changed:
        ways = ', '.join(f'model.{key}={value}' for key, value in options.items())
        raise RefusedError(
            f'the config is the exact way ({ways}); name another, such as '
            '--cfg-options model.precision=bf16'
        )
    exact: PromptSegmentor = build(PROMPT_SEGMENTORS, {**entry, **changed}, 'model')
    return exact


def compare(
    job: AnnotationJob, exact: PromptSegmentor, images: int, progress: Callable[[str], Progress]
) -> Fidelity:
    """Make masks of some images that have boxes by ``exact``, then by the segmentor of the job.

    One network is in memory at a time. The images are drawn by a fixed seed.

    Raises:
        RefusedError: The weights can't be loaded, or no image has a box.
    """
    if not job.setting.of_boxes:
        raise RefusedError(
            f'prompt {job.setting.name!r}: masks of boxes are compared; give a config of boxes, or '
            'annotate with model.unchecked=True'
        )
    tiles = job.plan.tiles
    order = [tiles[i] for i in np.random.default_rng(0).permutation(len(tiles))]
    _load(exact)
    first = _masks_of(exact, job, order, images, progress('exact'))
    exact.unload()
    if not first:
        raise RefusedError(f'{job.dataset.root}: no image has a box that can be prompted')
    same = [tile for tile in order if tile.stem in first]
    _load(job.segmentor)
    second = _masks_of(job.segmentor, job, same, images, progress('as configured'))
    return Fidelity({name: (masks, second[name]) for name, masks in first.items()})


def _load(segmentor: PromptSegmentor) -> None:
    with strict_loading():  # torch may have been imported with the segmentor
        segmentor.load()


def _masks_of(
    segmentor: PromptSegmentor,
    job: AnnotationJob,
    tiles: Sequence[Tile],
    images: int,
    progress: Progress,
) -> dict[str, ImageMasks]:
    """Return the masks of the first ``images`` tiles that have prompts, or can't be read."""
    found: dict[str, ImageMasks] = {}
    for tile in progress(tiles):
        for sample in SampleStream(job.plan, [[tile]], job.prompter):
            if sample.error is not None:
                found[tile.stem] = ImageMasks([], error=sample.error)
            elif sample.prompt_count:
                found[tile.stem] = _of_sample(segmentor, sample)
        if len(found) == images:
            break
    return found


def _of_sample(segmentor: PromptSegmentor, sample: Sample) -> ImageMasks:
    prompted = sample.prompted[0]
    made = ImageMasks([sample.record.boxes[i].box_id for i in prompted.chosen])
    try:
        [code] = segmentor.encode([sample.image])  # type: ignore[list-item]  # it was read
        for chunk in segmentor.decode(code, prompted.prompts):  # type: ignore[arg-type]
            made.masks += chunk.encoded(sample.valid)
            for values, new in (
                (made.scores, chunk.scores),
                (made.stability, chunk.stability),
                (made.choices, chunk.choices),
            ):
                values += [] if new is None else new.tolist()
            made.notes += [note for note in chunk.notes if note not in made.notes]
    except Exception as error:  # noqa: BLE001 (stands in the report; the other images go on)
        made.error = f'{sample.record.image.path}: the segmentor failed: {describe(error)}'
    return made


def identity(segmentor: PromptSegmentor, prompt: str) -> dict[str, Any]:
    """Return what a report is about, as plain data; ``checkpoint_sha256`` only after loading.

    Chunks, images in a pass and threads are left out: they change rounding only.
    """
    settings = segmentor.settings
    return dict(
        model={key: value for key, value in settings.items() if key not in _ROUNDING},
        checkpoint_sha256=segmentor.checkpoint_sha256,
        prompt=prompt,
        versions=versions_of(('torch', *segmentor.packages)),
    )


def report_path(folder: Path, about: Mapping[str, Any]) -> Path:
    """Return the file of a report; ``about`` is what ``identity`` returned."""
    model = about['model']
    digest = hashlib.sha256(json.dumps(about, sort_keys=True).encode()).hexdigest()
    return folder / f'{model["type"]}-{model.get("precision", "")}-{digest[:16]}.json'


def why_not(summary: Mapping[str, Any], enough: Enough) -> str | None:
    """Return why a report's numbers let no reduced precision annotate, and the cure, or None."""
    mean, masks, images = (summary.get(name) for name in ('iou_mean', 'masks', 'images'))
    if type(masks) is not int or type(images) is not int or type(mean) not in (float, type(None)):
        return 'the report has no numbers; set model.precision=fp32'
    if lost := summary.get('lost'):
        which = f'{counted(len(lost), "image")}, such as {lost[0]}'
        return f'it made no mask of {which}; set model.precision=fp32'
    if masks < enough.masks or images < enough.images:
        return (
            f'{counted(masks, "mask")} of {counted(images, "image")} compared, at least {enough} '
            'are needed; give fidelity.py more --images, or set fidelity.masks and fidelity.images'
        )
    if mean is None or not LEAST <= mean <= 1:
        return f'mean IoU {mean} with the fp32 masks, {LEAST} is needed; set model.precision=fp32'
    return None


def write_report(
    folder: Path,
    about: Mapping[str, Any],
    summary: Mapping[str, Any],
    data_root: str,
    enough: Enough = Enough(),
) -> Path:
    """Write a report and return its path; ``enough`` decides of ``passed``, and stands in it."""
    path = report_path(folder, about)
    folder.mkdir(parents=True, exist_ok=True)
    report = dict(
        format=_FORMAT,
        about=about,
        data_root=data_root,
        least=dict(iou_mean=LEAST, **asdict(enough)),
        passed=why_not(summary, enough) is None,
        summary=summary,
    )
    atomic_write(path, dump(report))
    return path


def command_of(args: argparse.Namespace) -> str:
    """Return the command that compares what ``sam_annotate.py`` was told with the exact way."""
    words = [args.config]
    for name in ('data_root', 'source', 'checkpoint', 'prompt', 'label_size', 'exif'):
        if (value := getattr(args, name)) is not None:
            flag = 'from' if name == 'source' else name.replace('_', '-')
            words += [f'--{flag}', value]
    if args.fidelity != FOLDER:
        words += ['--out', str(args.fidelity)]
    if args.cfg_options:
        words += ['--cfg-options', *(f'{key}={value}' for key, value in args.cfg_options.items())]
    return f'python tools/analysis_tools/fidelity.py {shlex.join(words)}'


def refuse_unchecked(
    segmentor: PromptSegmentor,
    prompt: str,
    folder: Path,
    command: str,
    enough: Enough = Enough(),
) -> None:
    """Refuse a reduced precision of which no report in ``folder`` says that it may annotate.

    Unless it is ``unchecked``, as its settings then say. After loading. What is ``enough`` is asked
    now, whatever was when the report was written.

    Raises:
        RefusedError: There is none, it doesn't pass, or is damaged; ``command`` makes one.
    """
    if not segmentor.reduced or getattr(segmentor, 'unchecked', False):
        return
    about = load(dump(identity(segmentor, prompt)))
    path = report_path(folder, about)
    way = f'model.precision={about["model"].get("precision")!r}'
    cure = 'set model.unchecked=True'  # a grid of points has no report
    if prompt != GRID:
        cure = f'run `{command}`, or {cure}'
    try:
        if path.stat().st_size > _LARGEST:
            raise ValueError('too large')
        report = load(path.read_bytes())
        if report['format'] != _FORMAT or report['about'] != about:
            raise ValueError('of something else')
        reason = why_not(report['summary'], enough)
    except FileNotFoundError as error:
        raise RefusedError(
            f'{way}: not compared with fp32 yet for these weights, settings and versions (no '
            f'{path}); {cure}'
        ) from error
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise RefusedError(
            f'{path}: no report of tools/analysis_tools/fidelity.py ({describe(error)}); {cure}'
        ) from error
    if reason is not None:
        raise RefusedError(
            f'{way}: {reason}, or model.unchecked=True to go on all the same ({path})'
        )
