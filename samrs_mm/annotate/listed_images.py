"""How the lists of a whole set name an image: a row of ``images.csv``, an image of a COCO file."""

from samrs_mm.annotate.plan import Tile
from samrs_mm.formats.annotated import folder
from samrs_mm.formats.annotated.record import Record

IMAGE_COLUMNS = ('stem', 'file', 'scene', 'split', 'width', 'height', 'kept', 'labelled')
"""Of ``images.csv``: what training needs to know of an image without opening its record."""


def coco_image(tile: Tile, record: Record, pictured: bool) -> dict:
    """Return the entry of an image in ``annotations.json``; for ``pictured`` see ``Plan``."""
    image = record.image
    name = f'{folder.IMAGES}/{tile.stem}.png' if pictured else image.path
    return dict(
        id=tile.index + 1, file_name=name, width=image.width, height=image.height,
        stem=tile.stem, scene=image.scene, offset=image.offset,
    )  # fmt: skip


def index_row(image: dict, record: Record) -> list:
    """Return the row of an image in ``images.csv``; ``image`` is its entry in the COCO file."""
    visible = [box.visible_area for box in record.kept]
    names = image['stem'], image['file_name'], image['scene'], record.image.split or ''
    return [*names, image['width'], image['height'], len(visible), sum(visible)]
