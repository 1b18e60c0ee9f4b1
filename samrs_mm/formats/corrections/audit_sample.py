"""Masks that were drawn for people to judge, and lists of boxes that tools take as a choice."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from samrs_mm.core import masks
from samrs_mm.core.atomic import atomic_write, dump, load
from samrs_mm.core.errors import RefusedError
from samrs_mm.formats.annotated.entries import Entry, check_mask

_KEYS = {'seed', 'signature', 'population', 'boxes'}


@dataclass(slots=True)
class SampledMask(Entry):
    """A mask as the machine made it.

    Args:
        stem: Its image.
        box_id: Its box.
        category: Its class.
        status: Its status then, such as ``kept``.
        score: Predicted IoU; None if the segmentor gives none.
        doubt: See ``formats.annotated.doubt``.
        area: In pixels.
        segmentation: The mask, as COCO RLE.
    """

    stem: str
    box_id: str
    category: str
    status: str
    score: float | None
    doubt: float
    area: int
    segmentation: dict

    def check(self, place: str) -> None:
        """Check the mask and the numbers; see ``Entry.check``."""
        if not 0 <= self.doubt <= 1:
            raise ValueError(f'{place}.doubt is {self.doubt!r}; expected 0 to 1')
        size = self.segmentation.get('size', [])
        check_mask(self.segmentation, size, f'{place}.segmentation')
        if not masks.area(self.segmentation):
            raise ValueError(f'{place}.segmentation has no pixel')


@dataclass(slots=True)
class AuditSample:
    """A random sample of a folder's masks.

    Args:
        seed: Of the draw.
        signature: That of the folder.
        population: By class, how many masks it was drawn from.
        boxes: The masks, in the order of their images.
    """

    seed: int
    signature: str
    population: dict[str, int]
    boxes: list[SampledMask]

    @classmethod
    def read(cls, path: Path) -> 'AuditSample':
        """Read a file that ``write`` wrote.

        Raises:
            RefusedError: There is none, or it is something else.
        """
        data = _load(path)
        try:
            if data.keys() != _KEYS or not isinstance(data['population'], dict):
                raise ValueError('not a sample that tools/analysis_tools/audit.py --draw wrote')
            if type(data['seed']) is not int or not isinstance(data['signature'], str):
                raise ValueError('seed or signature is of another type')
            boxes = [
                SampledMask.from_json(box, f'boxes[{number}]')
                for number, box in enumerate(data['boxes'])
            ]
            _check_population(data['population'], boxes)
        except ValueError as error:
            raise RefusedError(f'{path}: {error}; draw one with --draw N') from error
        return cls(data['seed'], data['signature'], data['population'], boxes)

    def write(self, path: Path) -> None:
        """Write the file, whole or not at all; equal samples, equal bytes.

        Raises:
            OSError: It can't be written.
        """
        boxes = [box.as_dict() for box in self.boxes]
        about = dict(seed=self.seed, signature=self.signature, population=self.population)
        atomic_write(path, dump(about | dict(boxes=boxes)))


def read_choice(path: Path) -> dict[str, set[str]]:
    """Return the boxes that a file lists, ids by image: a sample, or any JSON object with
    ``boxes``, a list of objects with ``stem`` and ``box_id``.

    Raises:
        RefusedError: There is no such file, or it lists no box.
    """
    chosen: dict[str, set[str]] = {}
    for number, box in enumerate(_load(path)['boxes']):
        stem, box_id = (box.get('stem'), box.get('box_id')) if isinstance(box, dict) else ('', None)
        if not isinstance(stem, str) or not isinstance(box_id, str):
            raise RefusedError(
                f'{path}: boxes[{number}] is {box!r:.40}; expected an object with stem and box_id'
            )
        chosen.setdefault(stem, set()).add(box_id)
    if not chosen:
        raise RefusedError(f'{path}: lists no box')
    return chosen


def _load(path: Path) -> dict[str, Any]:
    try:
        data = load(path.read_bytes())
    except OSError as error:
        raise RefusedError(f'{path}: cannot read it: {error.strerror}') from error
    except ValueError as error:
        raise RefusedError(f'{path}: {error}') from error
    if not isinstance(data, dict) or not isinstance(data.get('boxes'), list):
        raise RefusedError(
            f'{path}: not a list of boxes, such as tools/analysis_tools/audit.py --draw writes'
        )
    return data


def _check_population(population: dict[str, Any], boxes: list[SampledMask]) -> None:
    """Refuse a population that is smaller than what was drawn from it."""
    for name in {box.category for box in boxes} | population.keys():
        drawn = sum(box.category == name for box in boxes)
        if type(population.get(name)) is not int or population[name] < drawn:
            raise ValueError(
                f'population of {name!r} is {population.get(name)!r}; {drawn} were drawn'
            )
    if len({(box.stem, box.box_id) for box in boxes}) < len(boxes):
        raise ValueError('a box stands in it twice')
