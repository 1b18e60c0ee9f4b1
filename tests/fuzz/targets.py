"""What reads files that people bring: a good folder, which of its files to spoil, a reader."""

import contextlib
import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from export_cases import write_folder
from folders import load_tool
from fuzz import good_files as good
from fuzz.good_files import COCO, DOTA, HEIGHT, WIDTH

from samrs_mm.api import open_annotated
from samrs_mm.compat.checkpoints import safe_load
from samrs_mm.core import masks, segmentations
from samrs_mm.core.boxes import box_statuses
from samrs_mm.core.images import SceneImage, image_size
from samrs_mm.core.side_files import side_files, side_sha256
from samrs_mm.datasets.boxes.auto import AutoBoxDataset
from samrs_mm.datasets.boxes.base import BoxDataset
from samrs_mm.datasets.boxes.circumscribed import circumscribed_geometry
from samrs_mm.datasets.boxes.coco import COCOBoxDataset
from samrs_mm.datasets.boxes.cvat import CVATBoxDataset
from samrs_mm.datasets.boxes.dior import DIORBoxDataset
from samrs_mm.datasets.boxes.dota import DOTABoxDataset
from samrs_mm.datasets.boxes.fair1m import FAIR1MBoxDataset
from samrs_mm.datasets.boxes.hrsc import HRSC2016BoxDataset
from samrs_mm.datasets.boxes.label_studio import LabelStudioBoxDataset
from samrs_mm.datasets.boxes.labelme import LabelMeBoxDataset
from samrs_mm.datasets.boxes.voc import VOCBoxDataset
from samrs_mm.datasets.boxes.yolo import YOLOBoxDataset
from samrs_mm.datasets.segmentation.tile_folder import TileFolderDataset
from samrs_mm.formats import embeddings
from samrs_mm.formats.annotated.ledger import read_ledger
from samrs_mm.formats.annotated.record import Record
from samrs_mm.formats.released import load_released

_FIELD = re.compile(r'\{root\}|\{out\}')


@dataclass(frozen=True)
class Target:
    """A reader, and what it reads.

    Args:
        build: Writes a good folder.
        files: Which files of it are spoiled, one at a time, relative to the folder.
        read: Reads the folder; may write below ``FOLDER.out``, which is removed each time.
    """

    build: Callable[[Path], object]
    files: tuple[str, ...]
    read: Callable[[Path], object]


def tool(name: str, *argv: str) -> Callable[[Path], None]:
    """Return a reader that runs a tool, whose exit code is 0, 1 or 2.

    ``{root}`` and ``{out}`` in an argument stand for the folder and what may be written.
    """
    main = load_tool(name).main

    def read(root: Path) -> None:
        try:
            places = {'{root}': str(root), '{out}': f'{root}.out'}
            code = main([_FIELD.sub(lambda found: places[found.group()], word) for word in argv])
        except SystemExit as end:  # argparse
            code = end.code
        assert code in (0, 1, 2), f'exit code {code}'

    return read


def boxes_of(kind: type[BoxDataset]) -> Callable[[Path], None]:
    """Return a reader of all boxes of a detection dataset, and of their true masks."""

    def read(root: Path) -> None:
        dataset = kind(str(root), **(kind.truth_options or {}))
        dataset.collect_classes()
        for index, scene in enumerate(dataset.scenes):
            shapes = circumscribed_geometry(dataset.labels(index).boxes)
            box_statuses(shapes.hboxes, shapes.polygons, WIDTH, HEIGHT)
            for truth in dataset.ground_truth_of(index).values() if scene.image else ():
                segmentations.from_coco(truth, HEIGHT, WIDTH)

    return read


def boxes_below(folder: str, kind: type[BoxDataset]) -> Callable[[Path], None]:
    """Return the same of a folder inside."""
    read = boxes_of(kind)
    return lambda root: read(root / folder)


def read_annotated(root: Path) -> None:
    """Read all that the API offers of an annotated folder."""
    for image in open_annotated(root):
        assert image.image.shape[:2] == image.label_map.shape == image.size
        assert len(image.masks) == len(image.boxes) == len(image.categories)


def read_records(root: Path) -> None:
    """Read the records and the ledger of a folder and paint the masks."""
    for path in (root / 'instances').iterdir():
        record = Record.load_checked(path, 3)
        record.paint('small_on_top')
        for box in record.kept:
            masks.crop(box.segmentation)
    if (root / 'ledger.csv').exists():
        list(read_ledger(root / 'ledger.csv'))


def read_masks(root: Path) -> None:
    """Read a COCO segmentation of any kind, and do with the mask all that is done with masks."""
    try:
        value = json.loads((root / 'mask.json').read_bytes())
    except (ValueError, RecursionError):
        return
    rle = segmentations.from_coco(value, HEIGHT, WIDTH)
    if rle is not None:
        whole = masks.decode(rle)
        assert whole.shape == (HEIGHT, WIDTH)
        assert masks.area(rle) == whole.sum()
        if whole.any():
            x, y, w, h = masks.bbox(rle)
            assert whole[y : y + h, x : x + w].sum() == whole.sum()
            left, top, part = masks.crop(rle)
            assert whole[top : top + part.shape[0], left : left + part.shape[1]].sum() == part.sum()


def read_pictures(root: Path) -> None:
    """Read each picture whole, streamed and not."""
    for path in sorted(root.iterdir()):
        width, height = image_size(path)
        if width * height < 1 << 22:
            for stream in (False, True):
                SceneImage(path, stream).crop(0, 0, width, height)


def read_pickles(root: Path) -> None:
    """Read each pickle of a released folder."""
    for path in sorted(root.rglob('*.pkl')):
        load_released(path)


def read_tiles(root: Path) -> None:
    """Read a list of images, and each picture and label as in training."""
    from mmseg.registry import TRANSFORMS

    load = TRANSFORMS.build(
        dict(type='samrs_mm.LoadWindow', crop=dict(type='samrs_mm.CenterCropPad', crop_size=32))
    )
    data = TileFolderDataset(
        data_root=str(root), ann_file='train.txt', metainfo=dict(classes=('x', 'y', 'z')),
        pipeline=[load],
    )  # fmt: skip
    for index in range(len(data)):
        data[index]


def read_side_files(root: Path) -> None:
    """Look at the files beside a picture, and read it with them."""
    for place in (False, True):
        for path in side_files(root / 'a.png', place):
            side_sha256(path, place)
    image = SceneImage(root / 'a.png')
    image.crop(0, 0, image.width, image.height)
    image.valid(0, 0, image.width, image.height)


def read_boxnet(root: Path) -> None:
    """Load weights and make a crop's mask with them."""
    import torch

    from samrs_mm.models.boxnet.inputs import CHANNELS
    from samrs_mm.models.boxnet.weights import load_weights

    network, info = load_weights(root / 'a.safetensors')
    side = min(info.side, 64)
    with torch.inference_mode():
        network(torch.zeros(1, len(CHANNELS), side, side))


def read_masked_objects(root: Path) -> None:
    """Find the masks to learn from, and cut their objects out."""
    from samrs_mm.datasets.crops.masked_objects import cut_out, find_masks

    found = find_masks(str(root), 'COCOBoxDataset', {})
    cut_out([item for items in found.by_image.values() for item in items])


def read_weights(root: Path) -> None:
    """Load each checkpoint."""
    for path in sorted(root.iterdir()):
        with contextlib.suppress(ValueError):  # says which file, and what it asks for
            safe_load(path)


def read_embeddings(root: Path) -> None:
    """Read each file of a store, and what its header says."""
    for path in sorted(root.iterdir()):
        info = embeddings.read_info(path)
        found = embeddings.read(path)
        assert found.info == info
        assert all(array.dtype == embeddings.DTYPES[info.dtype] for array in found.tensors.values())


ANNOTATE = (
    '--data-root', '{root}', '--out', '{out}', '--workers', '0', '--cfg-options',
    'model.type=BoxFillSegmentor',
)  # fmt: skip


def read_options(root: Path) -> None:
    """Annotate with them."""
    words = (root / 'options.txt').read_text('utf-8', errors='replace').split('\n')
    tool('sam_annotate', DOTA, *ANNOTATE[:-1], *words)(root)


EXPORT = ('{root}', '--out', '{out}', '--workers', '0', '--to')
FOLDER = (
    'meta.json', 'instances/a.json', 'ledger.csv', 'images.csv', 'annotations.json',
    'semantic/a.png',
)  # fmt: skip

TARGETS = {
    'dota boxes': Target(good.dota, ('labelTxt/a.txt',), boxes_of(DOTABoxDataset)),
    'dior boxes': Target(
        good.dior,
        ('Annotations/Horizontal Bounding Boxes/00001.xml', 'ImageSets/Main/train.txt'),
        boxes_of(DIORBoxDataset),
    ),
    'fair1m boxes': Target(
        good.fair1m, ('train/part1/labelXml/1.xml',), boxes_of(FAIR1MBoxDataset)
    ),
    'hrsc boxes': Target(
        good.hrsc,
        ('Test/Annotations/100000001.xml', 'Test/AllImages/100000001_mask.png'),
        boxes_of(HRSC2016BoxDataset),
    ),
    'coco boxes': Target(good.coco, ('annotations.json',), boxes_of(COCOBoxDataset)),
    'yolo boxes': Target(good.yolo, ('labels/a.txt', 'data.yaml'), boxes_of(YOLOBoxDataset)),
    'yolo parts': Target(
        good.listed, ('yolo/train.txt', 'yolo/data.yaml'), boxes_below('yolo', YOLOBoxDataset)
    ),
    'voc boxes': Target(good.voc, ('Annotations/00001.xml',), boxes_of(VOCBoxDataset)),
    'labelme boxes': Target(good.labelme, ('a.json',), boxes_of(LabelMeBoxDataset)),
    'cvat boxes': Target(good.cvat, ('annotations.xml',), boxes_of(CVATBoxDataset)),
    'label studio boxes': Target(
        good.label_studio, ('export.json',), boxes_of(LabelStudioBoxDataset)
    ),
    'a format that is found': Target(good.labelme, ('a.json',), boxes_of(AutoBoxDataset)),
    'yolo to coco': Target(
        good.yolo,
        ('labels/a.txt', 'data.yaml'),
        tool('dataset_converters/boxes_to_coco', '{root}', '--from', 'yolo', '--overwrite'),
    ),
    'voc to coco': Target(
        good.voc,
        ('Annotations/00001.xml',),
        tool('dataset_converters/boxes_to_coco', '{root}', '--from', 'voc', '--overwrite'),
    ),
    'coco marks': Target(good.marked, ('annotations.json',), boxes_of(COCOBoxDataset)),
    'yolo lists': Target(
        good.listed,
        ('yolo/train.txt', 'yolo/val.txt'),
        tool('dataset_converters/boxes_to_coco', '{root}/yolo', '--from', 'yolo', '--overwrite'),
    ),
    'voc lists': Target(
        good.listed,
        ('voc/Annotations/00001.xml', 'voc/ImageSets/Main/train.txt', 'voc/ImageSets/Main/val.txt'),
        tool('dataset_converters/boxes_to_coco', '{root}/voc', '--from', 'voc', '--overwrite'),
    ),
    'side files': Target(
        good.with_side_files, ('a.png.msk', 'a.png.aux.xml', 'a.pgw'), read_side_files
    ),
    'boxnet weights': Target(good.boxnet, ('a.safetensors',), read_boxnet),
    'masks to learn from': Target(
        good.coco, ('annotations.json', 'images/b.jpg'), read_masked_objects
    ),
    'masks': Target(good.some_masks, ('mask.json', 'counts.json', 'polygons.json'), read_masks),
    'records': Target(write_folder, ('instances/P0000__64__0___0.json',), read_records),
    'annotated folder': Target(good.annotated, FOLDER, read_annotated),
    'pictures': Target(
        good.some_pictures,
        ('a.png', 'p.png', 'l.png', 'a.jpg', 'a.bmp', 'a.tif', 'l.tif', 'deep.tif', 'deep.png'),
        read_pictures,
    ),
    'released pickles': Target(good.released, ('2.pkl', '4.pkl'), read_pickles),
    'tiles': Target(good.tiles, ('images/a.png', 'labels/a.png', 'train.txt'), read_tiles),
    'weights': Target(good.weights, ('zip.pth', 'old.pth', 'plain.pkl'), read_weights),
    'embeddings': Target(good.embeddings, ('a.safetensors', 'b.safetensors'), read_embeddings),
    'annotate dota': Target(
        good.dota, ('labelTxt/a.txt', 'images/a.png'), tool('sam_annotate', DOTA, *ANNOTATE)
    ),
    'annotate coco': Target(
        good.coco, ('annotations.json', 'images/b.jpg'), tool('sam_annotate', COCO, *ANNOTATE)
    ),
    'options': Target(good.options, ('options.txt',), read_options),
    'config': Target(
        good.config, ('mine.py',), tool('sam_annotate', '{root}/mine.py', *ANNOTATE[:-2])
    ),
    'verify': Target(
        good.annotated,
        FOLDER,
        tool('sam_annotate', DOTA, '--out', '{root}', '--data-root', '{root}.raw', '--verify'),
    ),
    'export coco': Target(
        good.annotated, FOLDER, tool('dataset_converters/export_dataset', *EXPORT, 'coco')
    ),
    'export yolo': Target(
        good.annotated, FOLDER, tool('dataset_converters/export_dataset', *EXPORT, 'yolo-seg')
    ),
    'export samrs': Target(
        good.annotated, FOLDER, tool('dataset_converters/export_dataset', *EXPORT, 'samrs')
    ),
    'statistics': Target(
        good.annotated,
        FOLDER,
        tool(
            'analysis_tools/dataset_stats',
            '{root}',
            '--out',
            '{out}',
            '--workers',
            '0',
            '--format',
            'csv,json',
        ),
    ),
    'packed': Target(
        good.packed,
        ('pack.csv', 'pack.json', 'tiles/a.tif'),
        tool('dataset_converters/pack_dataset', '{root}.source', '{root}', '--verify'),
    ),
    'score masks': Target(
        good.annotated,
        ('annotations.json', 'meta.json', 'instances/a.json'),
        tool('analysis_tools/score_masks', '{root}', '--truth', '{root}/annotations.json'),
    ),
    'coco statistics': Target(
        good.coco,
        ('annotations.json',),
        tool(
            'analysis_tools/dataset_stats',
            '{root}/annotations.json',
            '--out',
            '{out}',
            '--workers',
            '0',
            '--format',
            'csv,json',
        ),
    ),
    'splits': Target(
        good.annotated, FOLDER, tool('dataset_converters/make_splits', '{root}', '--overwrite')
    ),
    'report': Target(
        good.annotated, FOLDER, tool('analysis_tools/review_report', '{root}', '--out', '{out}')
    ),
}
