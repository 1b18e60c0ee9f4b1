"""Any dataset in YOLO's layout, as Ultralytics and Roboflow write it."""

import re
from pathlib import Path
from typing import Any, ClassVar

from samrs_mm.core.boxes import ParsedLabels
from samrs_mm.core.errors import LabelReadError, RefusedError
from samrs_mm.core.label_fit import TURNED
from samrs_mm.datasets.boxes.base import ClassNames, Scene
from samrs_mm.datasets.boxes.paired import PairedBoxDataset
from samrs_mm.formats.boxes.box_folders import yolo_layout, yolo_text
from samrs_mm.formats.boxes.label_lists import ImageParts
from samrs_mm.formats.boxes.label_pairs import LabelPairs
from samrs_mm.formats.boxes.yolo import parse_yolo, yolo_polygons
from samrs_mm.formats.boxes.yolo_layout import TASKS
from samrs_mm.formats.boxes.yolo_names import class_names, is_yaml
from samrs_mm.formats.boxes.yolo_parts import yaml_parts
from samrs_mm.registry import BOX_DATASETS


@BOX_DATASETS.register_module()
class YOLOBoxDataset(PairedBoxDataset):
    """YOLO label files: H-Boxes, R-Boxes (OBB), polygons, or boxes with key points.

    Layout: ``images/**/NAME.jpg`` and ``labels/**/NAME.txt``, or side by side, at any depth;
    ``data.yaml`` or ``classes.txt`` with the names. Parts: ``train``, ``val``, ``test`` of
    data.yaml, else ``train.txt`` ... in the root, else folders of such names.
    Classes: those of data.yaml, in its order.
    Labels: a line is ``class cx cy w h``, ``class x1 y1 ... x4 y4`` or ``class`` and a polygon, of
    which the upright box is the H-Box and which is its true mask; see ``yolo_layout.TASKS``.
    Source of the format: https://docs.ultralytics.com/datasets/.

    Args:
        classes: As in ``BoxDataset``.
        names: File of the class names, relative to the root or absolute; None looks for it.
        task: What the lines are, one of ``TASKS``; None finds it out.

    Raises:
        RefusedError: As in ``BoxDataset`` and ``find_pairs``; no names; or lines of several kinds.
    """

    layout = 'images/**/*.jpg, labels/**/*.txt and data.yaml (or classes.txt)'
    source = 'yolo'
    truth_options: ClassVar[dict[str, Any] | None] = {}

    def __init__(
        self,
        data_root: str,
        classes: ClassNames = None,
        names: str | None = None,
        task: str | None = None,
    ):
        if task is not None and task not in TASKS:
            raise RefusedError(f'dataset.task={task!r}; allowed: {", ".join(TASKS)} or None')
        self._given = str(Path(data_root, names)) if names else None
        self._task = task
        super().__init__(data_root, classes)
        self._rows = {scene.stem: row for row, scene in enumerate(self.scenes)}

    def survey(self, pairs: LabelPairs) -> list[str]:
        """See ``PairedBoxDataset``: class names, and what the lines are."""
        try:
            self.names = class_names(self.root, self._given)
            self.lines = yolo_layout(self.root, pairs, self.names, self._task)
        except RefusedError as error:
            raise RefusedError(_by_options(str(error))) from error
        file = self.names.file
        shown = file.relative_to(self.root) if file.is_relative_to(self.root) else file
        return [f'read as {self.lines}', f'{len(self.names.names)} class names of {shown}']

    def parts(self, pairs: LabelPairs) -> ImageParts:
        """See ``PairedBoxDataset``: by data.yaml, else by lists in the root."""
        if is_yaml(self.names.file):
            parts, notes = yaml_parts(self.root, self.names.file, pairs.images)
            self._notes += notes
            if parts.of:
                return parts
        return super().parts(pairs)

    def index(self) -> list[Scene]:
        """See ``PairedBoxDataset``."""
        self._notes: list[str] = []
        scenes = super().index()
        self.label_notes = [*self.label_notes, *self._notes]
        return scenes

    def listed_classes(self) -> dict[Any, str]:
        """Return the names by number, from 1: as in records."""
        return dict(enumerate(self.names.names, 1))

    def parse(self, scene: Scene) -> ParsedLabels:
        """Read the scene's label file, in pixels of its image.

        Raises:
            LabelReadError: It, or the image whose size it needs, can't be read.
        """
        return parse_yolo(*self._arguments(scene))

    def ground_truth_of(self, index: int) -> dict[str, Any]:
        """Return the polygons of scene ``index``; see ``BoxDataset``."""
        scene = self.scenes[index]
        if scene.label is None or scene.image is None:
            return {}
        return self.fitted_masks(index, yolo_polygons(*self._arguments(scene)))

    def _arguments(self, scene: Scene) -> tuple:
        assert scene.label is not None
        text = yolo_text(*self.read(scene))
        size = (1, 1)  # without an image its boxes are only named
        if scene.image is not None:
            header = self._header(self._rows[scene.stem])
            if header is None:
                raise LabelReadError(
                    f'{scene.label}: YOLO has fractions of width and height, and {scene.image} '
                    'cannot be read'
                )
            size = header.turned if self.rule.exif == TURNED else header.stored
        return text, scene.label, self.names.names, *size, self.lines


def _by_options(text: str) -> str:
    """Return a message with options of a config in place of the flags of ``boxes_to_coco.py``."""
    text = re.sub(rf'--task (?={"|".join(TASKS)})', '--cfg-options dataset.task=', text)
    text = text.replace('--names FILE', '--cfg-options dataset.names=FILE')
    return text.replace('--task', '--cfg-options dataset.task=')
