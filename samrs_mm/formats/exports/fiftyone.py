"""A dataset of FiftyOne on disk, written without FiftyOne."""

import base64
import hashlib
import io
import json
import math
import zlib
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from samrs_mm.core import masks
from samrs_mm.core.images import SceneImage, write_png
from samrs_mm.formats.annotated.entries import HELD, KEPT, REGIONS, BoxEntry
from samrs_mm.formats.annotated.record import Record
from samrs_mm.formats.exports.base import INSTANCES, Export, in_one_folder
from samrs_mm.formats.labelled_image import LabelledImage

VERSION = '1.0.0'
"""Of FiftyOne whose datasets these are; later ones bring them up to date on import."""
_LABELS = 'fields/segmentation'
_CORE, _DOCUMENTS = 'fiftyone.core.fields', 'fiftyone.core.labels'
_MEASURES = ('stability', 'fill', 'coverage', 'leakage')


class FiftyOneExport(Export):
    """``metadata.json``, ``samples.json``, label maps in ``fields/segmentation/``.

    ``fo.Dataset.from_dir(OUT, dataset_type=fo.types.FiftyOneDataset)`` reads it, masks exactly. A
    sample has the part of the dataset as tag, ``scene``, ``segmentation`` (the label map, values
    from 1 as category ids; 0, FiftyOne's background, is what no mask covers) and ``detections``:
    label, bounding box and mask before overlap, ``confidence`` (the predicted IoU), ``index`` (the
    box's number), ``box_id``, ``rbox`` (four corners in pixels), ``stability``, ``fill``,
    ``coverage``, ``leakage`` and ``iscrowd`` (1 for crowds and ignored regions, which have no place
    in the label map). Tags of a detection are flags of the labels, and its status where that is
    not ``kept``: corrected or added by hand, or a region's.
    Source of the format: https://docs.voxel51.com/user_guide/export_datasets.html#fiftyonedataset.
    """

    folders = ('fields', _LABELS)
    holds = (*HELD, *REGIONS)
    by_part = True
    unlabelled = f'is 0 in {_LABELS}/, background'

    def __init__(self, out: Path, classes: Sequence[str]):
        super().__init__(out, classes)
        self._file = open(self.out / 'samples.json', 'wb')
        self._file.write(b'{"samples":[')
        self._first = True

    @classmethod
    def arrange(cls, parts: dict[str, list[LabelledImage]]) -> dict[str, list[LabelledImage]]:
        """Return all images for one folder: parts are tags."""
        return in_one_folder(parts)

    def __getstate__(self) -> dict[str, Any]:
        """Return what other processes convert with; this one alone writes the file."""
        return {k: v for k, v in self.__dict__.items() if k != '_file'}

    def convert(self, image: LabelledImage, record: Record, file: str) -> tuple[str, Counter]:
        """Write the label map of an image and return its sample."""
        labels = SceneImage(image.label, stored=True).read()[..., 0]
        # 255, what no mask covers, becomes 0
        write_png(self.out / _LABELS / f'{image.stem}.png', (labels + np.uint8(1)).astype(np.uint8))
        size = record.image.width, record.image.height
        sample = dict(
            _id=_id(image.stem),
            _media_type='image',
            _rand=int(_digest(image.stem, 'rand')[:8], 16) / 2**32,
            filepath=file,
            tags=[image.split] if image.split else [],
            metadata=dict(_cls='ImageMetadata', width=size[0], height=size[1]),
            scene=image.scene,
            segmentation=dict(
                _id=_id(image.stem, 'segmentation'),
                _cls='Segmentation',
                tags=[],
                mask_path=f'{_LABELS}/{image.stem}.png',
            ),
            detections=dict(
                _cls='Detections',
                detections=[_detection(box, image.stem, size) for box in record.annotated],
            ),
        )
        text = json.dumps(sample, ensure_ascii=False, allow_nan=False)
        return text, Counter({INSTANCES: len(record.kept)})

    def collect(self, converted: str) -> None:
        """Write the sample of an image."""
        self._file.write((('' if self._first else ',\n') + converted).encode())
        self._first = False

    def finish(self) -> None:
        """Close the samples and write what is true of all."""
        self._file.write(b']}')
        self._file.close()
        values = {str(number): name for number, name in enumerate(self.classes, 1)}
        data = dict(
            version=VERSION,
            name='masks',  # on import it gets the name that the user gives
            media_type='image',
            sample_fields=sample_fields(),
            frame_fields=[],
            info={},
            classes=dict(detections=list(self.classes)),
            default_classes=[],
            mask_targets=dict(segmentation=values),
            default_mask_targets={},
            skeletons={},
            tags=[],
            group_media_types={},
        )
        (self.out / 'metadata.json').write_bytes(json.dumps(data).encode())


def _detection(box: BoxEntry, stem: str, size: tuple[int, int]) -> dict[str, Any]:
    x, y, pixels = masks.crop(box.mask)
    height, width = pixels.shape
    corners = [value for corner in box.polygon for value in corner]
    tags = [f'{name}={value}' for name, value in sorted(box.flags.items())]
    return dict(
        _id=_id(stem, str(box.id)),
        _cls='Detection',
        attributes={},
        tags=tags + [box.status] * (box.status != KEPT),
        label=box.category,
        bounding_box=bounding_box(x, y, width, height, size),
        mask={'$binary': dict(base64=_array(pixels), subType='00')},
        confidence=box.score,
        index=box.id,
        box_id=box.box_id,
        rbox=corners if None not in corners else [],
        iscrowd=int(box.status in REGIONS),
        **{name: getattr(box, name) for name in _MEASURES},
    )


def _array(pixels: np.ndarray) -> str:
    """Return an array as FiftyOne keeps it: numpy's file, deflated, in base64."""
    file = io.BytesIO()
    np.save(file, np.ascontiguousarray(pixels), allow_pickle=False)
    return base64.b64encode(zlib.compress(file.getvalue())).decode('ascii')


def _digest(*names: str) -> str:
    return hashlib.sha256('\0'.join(names).encode()).hexdigest()


def _id(*names: str) -> dict[str, str]:
    """Return an id of MongoDB, the same for the same names."""
    return {'$oid': _digest(*names)[:24]}


def bounding_box(x: int, y: int, width: int, height: int, size: tuple[int, int]) -> list[float]:
    """Return a box of pixels in an image of ``size``, width and height, as fractions of it.

    FiftyOne multiplies and cuts decimals off: 58 / 100 would be pixel 57. So fractions are the
    least that lead back to the pixel.
    """
    starts, lengths = [], []
    for start, length, side in ((x, width, size[0]), (y, height, size[1])):
        low, part = start / side, length / side
        while int(side * low) < start:
            low = math.nextafter(low, 2)
        while int(side * (low + part)) < start + length:
            part = math.nextafter(part, 2)
        starts.append(low)
        lengths.append(part)
    return starts + lengths


def sample_fields() -> list[dict[str, Any]]:
    """Return the fields of a sample as FiftyOne describes them."""
    text, whole, real = 'StringField', 'IntField', 'FloatField'
    identity = [_field('id', 'ObjectIdField', db_field='_id'), _list('tags', text)]
    detection = [
        *identity,
        _field('attributes', 'DictField', embedded=f'{_DOCUMENTS}.Attribute',
               subfield='EmbeddedDocumentField'),
        _field('label', text),
        _list('bounding_box', real),
        _field('mask', 'ArrayField'),
        _field('mask_path', text),
        _field('confidence', real),
        _field('index', whole),
        _field('box_id', text),
        _list('rbox', real),
        _field('iscrowd', whole),
        *(_field(name, real) for name in _MEASURES),
    ]  # fmt: skip
    listed = _field(
        'detections', 'ListField', f'{_DOCUMENTS}.Detection', 'EmbeddedDocumentField', detection
    )
    picture = [_field('size_bytes', whole), _field('mime_type', text)]
    picture += [_field(name, whole) for name in ('width', 'height', 'num_channels')]
    drawn = [*identity, _field('mask', 'ArrayField'), _field('mask_path', text)]
    return [
        _field('id', 'ObjectIdField', db_field='_id'),
        _field('filepath', text),
        _list('tags', text),
        _document('metadata', 'fiftyone.core.metadata.ImageMetadata', picture),
        _field('_media_type', text),
        _field('_rand', real),
        _field('_dataset_id', 'ObjectIdField'),
        _field('created_at', 'DateTimeField') | dict(read_only=True),
        _field('last_modified_at', 'DateTimeField') | dict(read_only=True),
        _field('scene', text),
        _document('segmentation', f'{_DOCUMENTS}.Segmentation', drawn),
        _document('detections', f'{_DOCUMENTS}.Detections', [listed]),
    ]


def _field(
    name: str, kind: str, embedded: str | None = None, subfield: str | None = None,
    fields: Sequence[dict] = (), db_field: str | None = None,
) -> dict[str, Any]:  # fmt: skip
    return dict(
        _cls='SampleFieldDocument',
        name=name,
        ftype=f'{_CORE}.{kind}',
        embedded_doc_type=embedded,
        subfield=f'{_CORE}.{subfield}' if subfield else None,
        fields=list(fields),
        db_field=db_field or name,
        description=None,
        info=None,
        read_only=False,
    )


def _list(name: str, kind: str) -> dict[str, Any]:
    return _field(name, 'ListField', subfield=kind)


def _document(name: str, kind: str, fields: Sequence[dict]) -> dict[str, Any]:
    return _field(name, 'EmbeddedDocumentField', kind, fields=fields)
