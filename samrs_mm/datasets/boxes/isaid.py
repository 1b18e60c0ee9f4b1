"""iSAID's instances as boxes with true masks."""

from pathlib import Path
from typing import Any, ClassVar

from samrs_mm.core.boxes import BoxLabel, ParsedLabels
from samrs_mm.core.errors import RefusedError
from samrs_mm.core.found_files import first_copy
from samrs_mm.datasets.boxes.base import BoxDataset, ClassNames, Scene
from samrs_mm.formats.scenes import isaid
from samrs_mm.formats.scenes.isaid import CLASS_MAP, ISAIDInstance, files_by_kind, read_instances
from samrs_mm.registry import BOX_DATASETS


@BOX_DATASETS.register_module()
class ISAIDInstanceDataset(BoxDataset):
    """iSAID's images, with boxes made from the instance masks, which are the ground truth.

    Layout: ``P0003.png``, ``P0003_instance_id_RGB.png`` and ``P0003_instance_color_RGB.png``
    anywhere below the root: beside each other, or as the archives unpack.
    Classes: 15.
    Labels: the pictures of instances. The H-Box is the mask's own, the R-Box the smallest rectangle
    around the mask; box ids are the instance's picture and number. The JSON files aren't read:
    their category ids differ between train and val.
    Source: Waqas Zamir et al. 2019, arXiv:1905.12886.

    Args:
        classes: As in ``BoxDataset``; None takes iSAID's fifteen.
        split: ``'train'`` or ``'val'`` takes that folder of the root alone; None takes all.

    Raises:
        RefusedError: As in ``BoxDataset``, or no such split.
    """

    layout = 'P*.png with P*_instance_id_RGB.png and P*_instance_color_RGB.png, in any folders'
    truth_options: ClassVar[dict[str, Any] | None] = {}

    def __init__(self, data_root: str, classes: ClassNames = None, split: str | None = None):
        if split not in (None, *isaid.SCENES):
            raise RefusedError(
                f'dataset.split={split!r}; allowed: {", ".join(isaid.SCENES)}, or None for all'
            )
        self.split = split
        self._last: tuple[str, list[ISAIDInstance]] | None = None
        super().__init__(data_root, isaid.CLASSES[1:] if classes is None else classes)

    def index(self) -> list[Scene]:
        """Return the images and the pictures of instances, by name."""
        self._colours, labels, images = (
            {
                stem: first_copy(paths).relative_to(self.root).as_posix()
                for stem, paths in files.items()
            }
            for files in files_by_kind(self.root / (self.split or ''))
        )
        bare = sorted(labels.keys() - self._colours.keys())
        if bare:
            raise RefusedError(
                f'{self.root / labels[bare[0]]}: no {bare[0] + CLASS_MAP} with its classes; unpack '
                'Semantic_masks below the root'
            )
        scenes = []
        for stem in labels.keys() | images.keys():
            image, label = images.get(stem), labels.get(stem)
            split = str(image or label).partition('/')[0]
            scenes.append(
                Scene(stem, image, label, self.split or (split if split in isaid.SCENES else None))
            )
        return scenes

    def parse(self, scene: Scene) -> ParsedLabels:
        """Return the boxes around the scene's instances, by number."""
        labels = ParsedLabels()
        for instance in self._instances(scene):
            box_id = f'{scene.label}:{instance.number}'
            if not instance.label:
                labels.add_problem(box_id, 'most of its pixels are of no class (background)')
                continue
            name = isaid.CLASSES[instance.label]
            labels.boxes.append(BoxLabel(box_id, name, instance.hbox(), instance.rbox()))
        return labels

    def truth_files(self, index: int) -> list[Path]:
        """Return the pictures of instances and of classes of scene ``index``."""
        scene = self.scenes[index]
        if scene.label is None:
            return []
        return [self.root / scene.label, self.root / self._colours[scene.stem]]

    def ground_truth_of(self, index: int) -> dict[str, dict]:
        """Return the instances of scene ``index`` as COCO RLE by box id."""
        scene = self.scenes[index]
        if scene.label is None:
            return {}
        return {f'{scene.label}:{each.number}': each.mask() for each in self._instances(scene)}

    def _instances(self, scene: Scene) -> list[ISAIDInstance]:
        """Return the scene's instances; the last scene's are kept, for boxes and then masks."""
        if self._last is None or self._last[0] != scene.stem:
            assert scene.label is not None
            paths = self.root / scene.label, self.root / self._colours[scene.stem]
            self._last = scene.stem, read_instances(*paths)
        return self._last[1]
