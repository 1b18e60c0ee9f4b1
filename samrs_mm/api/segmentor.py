"""Boxes to masks, of images in memory or in files."""

import os
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from samrs_mm.annotate.driver import BoxPrompter
from samrs_mm.annotate.embeddings import FP16, EmbeddingStore, load_for_store
from samrs_mm.annotate.job import check_setting, mask_filters
from samrs_mm.annotate.masking import segment
from samrs_mm.annotate.plan import Tile
from samrs_mm.annotate.writer import Sample, enter_masks
from samrs_mm.api.annotated import AnnotatedImage
from samrs_mm.api.inputs import (
    ANY_CLASS,
    ImageLike,
    InputError,
    box_labels,
    boxes_around,
    checked_names,
    mask_prompts,
    read_scene,
)
from samrs_mm.compat import strict_loading
from samrs_mm.core.boxes import BoxLabel, geometry
from samrs_mm.core.classes import ClassTable, UnknownClassError
from samrs_mm.core.errors import RefusedError, SegmentorError
from samrs_mm.core.images import SceneImage, file_sha256
from samrs_mm.core.masks import check_policy
from samrs_mm.core.prompts import CLIPPED, PromptSetting, check_style
from samrs_mm.core.wording import counted
from samrs_mm.datasets.boxes.circumscribed import circumscribed_geometry
from samrs_mm.formats.annotated.record import Record
from samrs_mm.formats.embeddings import pixels_sha256
from samrs_mm.models.prompt_segmentors.base import PromptSegmentor
from samrs_mm.models.prompt_segmentors.named import model_of
from samrs_mm.registry import PROMPT_SEGMENTORS, build

if TYPE_CHECKING:
    from samrs_mm.core.clicks import ClickedMask
    from samrs_mm.models.boxnet.clicks import Clicked


def load_segmentor(
    name: str | os.PathLike | Mapping[str, Any] = 'boxnet',
    checkpoint: str | os.PathLike | None = None,
    *,
    embeddings: str | os.PathLike | None = None,
    embeddings_dtype: str = FP16,
    **options: Any,
) -> 'Segmentor':
    """Build a prompt segmentor and load its weights.

    ::

        samrs_mm.load_segmentor('boxnet')
        samrs_mm.load_segmentor('boxnet', 'work_dirs/tuned/mine.safetensors')
        samrs_mm.load_segmentor('grabcut', iterations=5)
        samrs_mm.load_segmentor('sam-vit-h', 'checkpoints/sam_vit_h_4b8939.pth', device='cuda:1')
        samrs_mm.load_segmentor('coco_sam-vit-h_hbox')  # a config of the package, or a file

    Args:
        name: A name in ``SEGMENTORS``, an annotate config (a file, or the name of one of the
            package's), or ``dict(type=...)`` as in its ``model``.
        checkpoint: File of the weights; GrabCut and box filling have none, BoxNet's come with the
            package.
        embeddings: Folder of embeddings, as of ``sam_annotate.py --embeddings``: an image that is
            there is not encoded, and SAM's image encoder is read when one is not.
        embeddings_dtype: ``'fp16'``, for looking at masks: takes what any machine has stored, and
            differs from a run without embeddings in a few pixels; ``'fp32'``: the same bits.
        **options: Arguments of the segmentor, such as ``iterations`` of ``GrabCutSegmentor`` or
            ``device`` and ``chunk`` of ``SAMSegmentor``.

    Raises:
        RefusedError: No such segmentor, option or weights.
    """
    entry = dict(model_of(name)) | options
    if checkpoint is not None:
        entry['checkpoint'] = os.fspath(checkpoint)
    model: PromptSegmentor = build(PROMPT_SEGMENTORS, entry, 'model')
    with strict_loading():  # torch may have been imported with the segmentor
        if embeddings is None:
            model.load()
            return Segmentor(model)
        load_for_store(model)
    store = EmbeddingStore(embeddings, model, embeddings_dtype)
    store.open()
    return Segmentor(model, store)


class Segmentor:
    """Makes masks of boxes; ``load_segmentor`` builds one.

    Attributes:
        model: The prompt segmentor, as configs name it.
        store: Embeddings of images, or None.
    """

    def __init__(self, model: PromptSegmentor, store: EmbeddingStore | None = None):
        self.model, self.store = model, store

    def segment(
        self,
        image: ImageLike,
        boxes: Any = None,
        categories: Sequence[str] | None = None,
        *,
        masks: Any = None,
        classes: Sequence[str] | None = None,
        prompt: str | None = None,
        filters: dict[str, Any] | None = None,
        overlap_policy: str = 'small_on_top',
        prompt_style: str = CLIPPED,
    ) -> AnnotatedImage:
        """Make a mask of each box, as ``tools/sam_annotate.py`` does.

        Args:
            image: ``(H, W, 3)`` uint8 RGB (OpenCV reads BGR: turn it by ``image[..., ::-1]``),
                ``(H, W)`` uint8 grey, or an image file.
            boxes: In pixels, x to the right, y down; the shape says what they are: ``(N, 4)``
                x0, y0, x1, y1; ``(N, 8)`` or ``(N, 4, 2)`` the corners of oriented boxes;
                ``(N, 5)`` centre x, y, width, height and angle in radians, from x towards y. None
                takes the boxes around ``masks``.
            masks: What is known of the N objects, to start from: ``(N, H, W)`` bool, or N of
                ``(H, W)``, None where there is none; such as masks of an earlier answer.
            categories: N class names; None for one class, ``'object'``.
            classes: All class names in the order of the label map's values; None takes those in
                ``categories``, sorted.
            prompt: What of a box the segmentor sees: ``'hbox'``, the upright box around it;
                ``'rbox'``, the oriented box (not SAM); or any setting of ``--prompt``. None takes
                ``'hbox'``, with masks ``'hbox+mask'``.
            filters: Limits that masks must keep, as in a config: ``dict(min_score=0.8)``.
            overlap_policy: Who wins where masks overlap in the label map; see
                ``masks.paint_order``.
            prompt_style: How prompts are made of boxes; see ``prompts.PROMPT_STYLES``.

        Returns:
            The N boxes in their order: those without a mask have a status and a reason.

        Raises:
            InputError: An image, boxes or masks that can't be, or masks and a prompt without.
            ImageReadError: A file that can't be read.
            RefusedError: A prompt, filter, policy or class that can't be.
            SegmentorError: The segmentor failed on the image.
        """
        scene = read_scene(image)
        known = None if masks is None else mask_prompts(masks, (scene.height, scene.width))
        if boxes is None and known is not None:
            boxes = boxes_around(known)
        labels = box_labels(boxes, categories)
        setting = _setting(prompt, known, len(labels), self.model)
        limits, policy = mask_filters(filters, self.model), check_policy(overlap_policy)
        table, style = _class_table(categories, classes), check_style(prompt_style)
        prompter = _MaskPrompter(setting, table, style)
        prompter.masks = known
        pixels = scene.read()
        sample = self._sample(image, scene, pixels)
        self._make_masks(sample, labels, prompter)
        enter_masks(sample, limits)
        label_map = sample.record.paint(policy)
        return AnnotatedImage(_stem(image), table.classes, sample.record, pixels, label_map)

    def _sample(self, image: ImageLike, scene: SceneImage, pixels: np.ndarray) -> Sample:
        """Return an image as one tile, its boxes still to be entered."""
        tile = Tile(0, self._file_stem(image, pixels), 0)
        valid = scene.valid(0, 0, scene.width, scene.height)
        return Sample(tile, _record(image, pixels, scene.notes), pixels, valid=valid)

    def _make_masks(
        self, sample: Sample, labels: Sequence[BoxLabel], prompter: BoxPrompter
    ) -> None:
        """Prompt the sample of a whole image with all boxes."""
        circumscribed = prompter.setting.circumscribed
        shapes = (circumscribed_geometry if circumscribed else geometry)(labels)
        image = sample.record.image
        prompter.prompt(sample, labels, shapes, (image.width, image.height))
        with self.store or nullcontext():
            for done in segment(self.model, [sample], self.store):
                if done.error is not None:
                    raise SegmentorError(done.error)

    def _file_stem(self, image: ImageLike, pixels: np.ndarray) -> str:
        """Return the name of an image's file of embeddings; one in memory has that of its hash."""
        if self.store is None or isinstance(image, str | os.PathLike):
            return _stem(image)
        return f'image-{pixels_sha256(pixels)[:16]}'

    def click(
        self,
        image: ImageLike,
        clicks: Sequence[Sequence[float]] | np.ndarray,
        box: Sequence | np.ndarray | None = None,
        previous: 'Clicked | ClickedMask | np.ndarray | None' = None,
    ) -> 'Clicked | ClickedMask':
        """Make the mask of one object by clicks, as the review page does (BoxNet, SAM, GrabCut).

        ::

            first = segmentor.click(image, [[40, 52, 1]])
            better = segmentor.click(image, [[40, 52, 1], [61, 50, 0]], previous=first)

        Args:
            image: As in ``segment``.
            clicks: ``(N, 3)`` all clicks so far: x, y in pixels, and 1 for the object or 0 for the
                background; may be none where there is a box or a mask.
            box: ``(4,)`` x0, y0, x1, y1, or the corners ``(4, 2)`` of an oriented box, in pixels.
            previous: The answer before, or any mask ``(H, W)`` bool to start from.

        Returns:
            ``mask`` ``(H, W)`` bool, ``score`` (predicted IoU) and ``stability``, both in [0, 1];
            GrabCut has None of them.

        Raises:
            InputError: An image, clicks, box or mask that can't be.
            ImageReadError: A file that can't be read.
            RefusedError: The segmentor takes no clicks.
        """
        if not hasattr(self.model, 'click'):
            name = type(self.model).__name__
            raise RefusedError(f"{name} takes no clicks; load_segmentor('boxnet') does")
        scene = read_scene(image)
        valid = scene.valid(0, 0, scene.width, scene.height)
        (encoded,) = self.model.encode([scene.read()])
        try:
            return self.model.click(encoded, clicks, box, previous, valid)
        except ValueError as error:
            raise InputError(str(error)) from error


class _MaskPrompter(BoxPrompter):
    """Prompts boxes with the masks that are given."""

    masks: list[dict | None] | None = None

    def label_masks(self, sample: Sample, labels: Sequence[BoxLabel]) -> list[dict | None] | None:
        """See ``BoxPrompter``."""
        return self.masks


def _setting(
    prompt: str | None, masks: Sequence[dict | None] | None, count: int, model: PromptSegmentor
) -> PromptSetting:
    """Return the prompt setting of so many boxes, checked against their masks and the segmentor."""
    if prompt is None:
        prompt = 'hbox' if masks is None else 'hbox+mask'
    setting = PromptSetting.parse(prompt, masks=True)
    if setting.of_labels != (masks is not None):
        cure = 'give them' if masks is None else "leave them out, or take 'hbox+mask' or 'mask'"
        looks = 'looks at masks' if setting.of_labels else 'looks at no masks'
        raise InputError(f'masks: prompt {setting.name!r} {looks}; {cure}')
    if masks is not None and len(masks) != count:
        raise InputError(f'masks: {len(masks)} for {counted(count, "box")}; give one for each')
    check_setting(setting, model)
    return setting


def _class_table(categories: Sequence[str] | None, classes: Sequence[str] | None) -> ClassTable:
    names = [ANY_CLASS] if categories is None else list(categories)
    listed = None if classes is None else checked_names('classes', classes)
    try:
        table = ClassTable.from_names(names) if listed is None else ClassTable(listed)
        for name in names:
            table.index(name)
    except UnknownClassError as error:
        raise InputError(f'categories: {error}') from error
    except ValueError as error:
        raise InputError(f'classes: {error}') from error
    return table


def _stem(image: ImageLike) -> str:
    return Path(image).stem if isinstance(image, str | os.PathLike) else 'image'


def _record(image: ImageLike, pixels: np.ndarray, notes: Sequence[str]) -> Record:
    file = os.fspath(image) if isinstance(image, str | os.PathLike) else None
    return Record.of_image(
        path=file or 'image',
        scene=_stem(image),
        split=None,
        offset=[0, 0],
        width=pixels.shape[1],
        height=pixels.shape[0],
        sha256=file_sha256(file) if file else None,
        notes=list(notes),
    )
