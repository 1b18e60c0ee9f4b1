"""Scenes on the map without labels, for masks without boxes."""

from pathlib import Path

from samrs_mm.core.errors import ImageReadError
from samrs_mm.core.grid import OBJECT
from samrs_mm.core.place import Place, is_map_file, named_crs, place_on_map
from samrs_mm.datasets.boxes.base import ClassNames, Scene
from samrs_mm.datasets.boxes.image_folder import ImageFolderDataset
from samrs_mm.registry import BOX_DATASETS

_ELSE = '; configs/annotate/images_sam-vit-h_grid.py takes images that lie nowhere'


@BOX_DATASETS.register_module()
class GeoImageDataset(ImageFolderDataset):
    """One raster on the map, or all of a folder and the folders in it, which have no labels.

    Layout: as in ``GeoBoxDataset``; images without a place are left out where they are PNG or JPEG
    (a world file gives them one). Names and classes are those of ``ImageFolderDataset``.

    Args:
        data_root: The raster, or the folder.
        classes: As in ``ImageFolderDataset``.
        scene_crs: CRS of the scenes that name none, such as ``EPSG:32632``.

    Raises:
        RefusedError: As in ``ImageFolderDataset``, or a scene is not on the map.
    """

    layout = 'a GeoTIFF or a folder of GeoTIFFs'

    def __init__(
        self, data_root: str, classes: ClassNames = (OBJECT,), scene_crs: str | None = None
    ):
        root = Path(data_root)
        self._scene_crs = named_crs('dataset.scene_crs', scene_crs)
        self.only = root.name if root.is_file() else None
        self.places: dict[str, Place] = {}
        """Place of each scene by its stem; of those whose header can be read."""
        super().__init__(str(root.parent if self.only else root), classes)

    def index(self) -> list[Scene]:
        """Return a scene for each image on the map."""
        if self.only:
            scenes = [Scene(Path(self.only).stem, self.only, None)]
        else:
            scenes = [each for each in super().index() if is_map_file(self._path(each))]
        for scene in scenes:
            try:
                place = place_on_map(self._path(scene), _ELSE)
                self.places[scene.stem] = place.in_crs(self._scene_crs)
            except ImageReadError:
                continue  # met where it is annotated
        return scenes

    def _path(self, scene: Scene) -> Path:
        assert scene.image is not None
        return self.root / scene.image
