"""What all who work on a part of a scene have to agree on: ``scenes/STEM.json``.

It is found out once, before or when the scene is opened for the first time, so that a scene in
pieces is hashed and looked through by one process, and all others read what that found.
"""

import contextlib
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from rasterio.crs import CRS

from samrs_mm.annotate.plan import Plan
from samrs_mm.core.atomic import atomic_write, dump, load
from samrs_mm.core.errors import ImageReadError
from samrs_mm.core.images import SceneImage
from samrs_mm.core.input_notes import Inputs, facts_of
from samrs_mm.core.place import Place, place_of
from samrs_mm.core.rendering import Stretch
from samrs_mm.core.resumable import differences
from samrs_mm.formats.annotated import folder
from samrs_mm.formats.annotated.folder import AnnotatedFolder


class SceneSheets:
    """The sheets of a folder's scenes: of data on the map, of a config with the key ``image``, and
    of scenes that are handed out in pieces.

    Args:
        plan: The plan.
        out: The folder.
        write: Write those that are missing, or are of another file than the scene is now.
    """

    def __init__(self, plan: Plan, out: AnnotatedFolder, write: bool = True):
        self.plan, self.dataset, self.out, self.write = plan, plan.dataset, out, write

    def wanted(self, scene: int) -> bool:
        """Whether a scene has a sheet."""
        said = self.dataset.image_rule is not None
        return self.dataset.places is not None or said or self.plan.in_pieces(scene)

    def open(self, scene: int, inputs: Inputs) -> SceneImage:
        """Return a scene, opened for windows, with what its sheet knows.

        ``inputs``, whose first file is the scene, need not hash it where the sheet has.

        Raises:
            ImageReadError: It can't be read.
            OSError: Its sheet can't be written.
        """
        if not self.wanted(scene):
            return self._image(scene)
        own = self._inputs(scene)
        known = self._known(scene, own) if own.stamps == inputs.stamps[:1] else None
        if known is not None:
            inputs.take_sha256(known[0])
            return self._image(scene, known[1])
        image = self._image(scene)
        if self.write:
            own.take_sha256(inputs.sha256())
            path, sheet = self._path(scene), self._sheet(scene, image, own.sha256())
            path.parent.mkdir(exist_ok=True)
            atomic_write(path, dump(sheet))
            self.out.notes.add({folder.scene_key(path.stem): own.note()})
        return image

    def prepare(self, scenes: Iterable[int]) -> None:
        """Write the sheets of scenes that need one and have none, one process at a time.

        A scene that can't be read is passed over; that is met where it is annotated.

        Raises:
            OSError: One can't be written.
        """
        scenes = [scene for scene in scenes if self.wanted(scene)]
        if not scenes:
            return
        with self.out.lock():
            self.out.notes.read()
            for scene in scenes:
                try:
                    if self._known(scene, self._inputs(scene)) is None:
                        self.open(scene, Inputs('', [self.dataset.image_path(scene)]))
                except ImageReadError:
                    continue

    def check(self, scenes: Iterable[int]) -> list[str]:
        """Return what is wrong with the sheets of scenes, line by line; all is found out anew."""
        problems = []
        for scene in filter(self.wanted, scenes):
            path = self._path(scene)
            try:
                inputs = Inputs('', [self.dataset.image_path(scene)])
                found = self._sheet(scene, self._image(scene), inputs.sha256())
                problems += [
                    f'{path}: {line}'
                    for line in differences(load(path.read_bytes()), json.loads(dump(found)))
                ]
            except FileNotFoundError:
                problems.append(f'{path}: missing; --finalise writes it')
            except (ImageReadError, OSError, ValueError) as error:
                problems.append(f'{path}: {error}')
        return problems

    def _image(self, scene: int, known: Stretch | None = None) -> SceneImage:
        path, streamed = self.dataset.image_path(scene), self.plan.spec is not None
        return SceneImage(path, streamed, rule=self.dataset.image_rule, known=known)

    def _path(self, scene: int) -> Path:
        return self.out.path(folder.SCENES, self.dataset.scenes[scene].stem)

    def _inputs(self, scene: int) -> Inputs:
        return Inputs(
            facts_of(self._rule, self._place_of(scene)), [self.dataset.image_path(scene)], True
        )

    @property
    def _rule(self) -> dict[str, Any] | None:
        rule = self.dataset.image_rule
        return None if rule is None else rule.as_dict()

    def _place_of(self, scene: int) -> dict[str, Any]:
        place = (self.dataset.places or {}).get(self.dataset.scenes[scene].stem)
        return _place(place or place_of(self.dataset.image_path(scene)))

    def _known(self, scene: int, own: Inputs) -> tuple[str, Stretch] | None:
        """Return hash and stretch of a scene by its sheet; None where that is of anything else."""
        path = self._path(scene)
        if self.out.notes.look(folder.scene_key(path.stem), own).same:
            with contextlib.suppress(OSError, KeyError, TypeError, ValueError):  # else damaged
                sheet = load(path.read_bytes())
                return str(sheet['sha256']), _stretch_of(sheet)
        return None

    def _sheet(self, scene: int, image: SceneImage, sha256: str) -> dict[str, Any]:
        ranges = image.stretch.ranges or (None,) * len(image.channels)
        return dict(
            path=self.dataset.scenes[scene].image,
            sha256=sha256,
            width=image.width,
            height=image.height,
            **self._place_of(scene),
            image=self._rule,
            channels=[
                dict(channel=name, range=ends)
                for name, ends in zip(image.channels, ranges, strict=True)
            ],
            stretch=image.stretch.note,
            notes=list(image.notes),
        )


def _stretch_of(sheet: dict[str, Any]) -> Stretch:
    ends = [channel['range'] for channel in sheet['channels']]
    if None in ends:
        return Stretch(None, sheet['stretch'])
    return Stretch(tuple((float(low), float(high)) for low, high in ends), sheet['stretch'])


def _place(place: Place) -> dict[str, Any]:
    """Return a place as plain data: affine is a, b, c, d, e, f; of a GCP x, y, then on the map."""
    affine = place.affine
    return dict(
        crs=None if place.crs is None else _crs_text(place.crs),
        affine=None if affine is None else list(affine)[:6],
        gcps=[[gcp.col, gcp.row, gcp.x, gcp.y] for gcp in place.gcps],
    )


def _crs_text(crs: CRS) -> str:
    return ':'.join(crs.to_authority() or ()) or crs.to_wkt()
