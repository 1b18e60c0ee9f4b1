"""The ablation's tables, made from the records of all segmentors.

Idempotent: the same records give the same bytes, however often and by whomever it is run.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from samrs_mm.annotate.ablation import table as ablation_table
from samrs_mm.annotate.ablation.plot import draw_ablation
from samrs_mm.annotate.ablation.run import SCORED, AblationFolder
from samrs_mm.annotate.ablation.scores import COLUMNS, SettingCounts, score
from samrs_mm.annotate.plan import Plan
from samrs_mm.core import masks
from samrs_mm.core.atomic import atomic_write
from samrs_mm.core.prompts import SETTINGS
from samrs_mm.core.resumable import dump, signature_of
from samrs_mm.evaluation import bootstrap
from samrs_mm.evaluation.mask_ap import average_precision
from samrs_mm.evaluation.mask_overlap import BOUNDARY_RATIO
from samrs_mm.evaluation.paper.tables import paper_tables
from samrs_mm.formats.annotated import folder, records

FILES = JSON, CSV, MARKDOWN, PLOT, COCO, RUNS = (
    'ablation.json', 'ablation.csv', 'ablation.md', 'ablation.png', 'coco', 'runs'
)  # fmt: skip
"""What an ablation's folder holds."""


@dataclass(frozen=True)
class SegmentorRun:
    """One segmentor's part of an ablation.

    Args:
        name: Name in the tables.
        out: Its records.
        settings: What its signature is made from.
        reasons: Why it can't take a setting, by the setting's name; the others were run.
    """

    name: str
    out: AblationFolder
    settings: dict[str, Any]
    reasons: dict[str, str]


@dataclass
class Gathered:
    """What a segmentor's records hold.

    Args:
        images: Images by state: done, failed, pending.
        encodes: Images that were encoded.
        scored: Images with at least one true mask.
        unscored: Boxes without a true mask.
        counts: Pixel counts by setting.
        truth: Images and annotations of a COCO file.
        detections: COCO results by setting.
        rows: Rows of the table.
        problems: Records that can't be used, one line each.
    """

    images: Counter = field(default_factory=Counter)
    encodes: int = 0
    scored: int = 0
    unscored: int = 0
    counts: dict[str, SettingCounts] = field(default_factory=dict)
    truth: dict[str, list] = field(default_factory=lambda: dict(images=[], annotations=[]))
    detections: dict[str, list] = field(default_factory=dict)
    rows: list[dict[str, Any]] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)


class AblationFinaliser:
    """Writes ``ablation.{json,csv,md,png}`` and ``coco/``.

    Args:
        plan: All images of the dataset.
        out: Output folder.
        runs: One for each segmentor, in the tables' order.
        dataset: What is told of the dataset, as plain data.
        progress: Wraps the iterator over images, to show progress.
    """

    def __init__(
        self,
        plan: Plan,
        out: Path,
        runs: list[SegmentorRun],
        dataset: dict[str, Any],
        progress: Callable[[Iterable], Iterator] = iter,
    ):
        self.plan, self.out, self.runs = plan, out, runs
        self.dataset, self.progress = dataset, progress

    def write(self) -> dict[str, Any]:
        """Write all files and return the content of ``ablation.json``.

        Raises:
            OSError: A file can't be written; the old one is untouched.
        """
        with AblationFolder(self.out).lock():
            gathered = [self._finish(run) for run in self.runs]
            most = max(gathered, key=lambda found: found.images['done'])
            truth = dump(self._coco_file(most))
            atomic_write(self.out / COCO / 'ground_truth.json', truth)
            table = self._table(gathered)
            atomic_write(self.out / JSON, dump(table))
            atomic_write(self.out / CSV, ablation_table.as_csv(table).encode())
            atomic_write(self.out / MARKDOWN, ablation_table.as_markdown(table).encode())
            atomic_write(self.out / PLOT, draw_ablation(table))
        self.problems = [line for each in gathered for line in each.problems]
        return table

    def _gather(self, run: SegmentorRun) -> Gathered:
        run.out.clean()
        found = Gathered()
        names = [name for name in SETTINGS if name not in run.reasons]
        found.counts = {name: SettingCounts() for name in names}
        found.detections = {name: [] for name in names}
        signature = signature_of(run.settings)
        done, failed = run.out.done(), run.out.failed()
        for unit in self.progress(self.plan.units):
            if unit.stem not in done:
                found.images['failed' if unit.stem in failed else 'pending'] += 1
                continue
            path = run.out.path(folder.INSTANCES, unit.stem)
            try:
                record = records.load(path)
                problem = '' if record['signature'] == signature else f'{path}: made otherwise'
            except records.RecordError as error:
                problem = str(error)
            if problem:
                found.images['failed'] += 1
                found.problems.append(f'{problem}; delete it and run again')
                continue
            found.images['done'] += 1
            _add(found, unit.index + 1, record)
        return found

    def _finish(self, run: SegmentorRun) -> Gathered:
        """Score a segmentor and write its masks as COCO results, which are not held any longer."""
        found = self._gather(run)
        place = self.out / COCO / run.name
        place.mkdir(parents=True, exist_ok=True)
        for name, detections in found.detections.items():
            atomic_write(place / f'{name}.json', dump(detections))
        found.rows = list(self._rows(run, found))
        found.detections.clear()
        meta = dict(
            partial=found.images['done'] < len(self.plan.units),
            settings=run.settings,
            signature=signature_of(run.settings),
        )
        atomic_write(run.out.meta, dump(meta))
        return found

    def _coco_file(self, found: Gathered) -> dict:
        classes = enumerate(self.plan.dataset.classes, 1)
        return dict(found.truth, categories=[dict(id=i, name=name) for i, name in classes])

    def _table(self, gathered: list[Gathered]) -> dict[str, Any]:
        units = len(self.plan.units)
        segmentors = [
            dict(
                name=run.name,
                encodes=found.encodes,
                done=found.images['done'],
                failed=found.images['failed'],
                pending=found.images['pending'],
                signature=signature_of(run.settings),
                settings=run.settings,
                rows=found.rows,
            )
            for run, found in zip(self.runs, gathered, strict=True)
        ]
        return dict(
            ground_truth=dict(
                self.dataset,
                images=units,
                boxes_without_mask=max(found.unscored for found in gathered),
            ),
            images=max(found.scored for found in gathered),
            instances=max(len(found.truth['annotations']) for found in gathered),
            partial=any(found.images['done'] < units for found in gathered),
            boundary_ratio=BOUNDARY_RATIO,
            bootstrap=dict(over='images', resamples=bootstrap.RESAMPLES, level=bootstrap.LEVEL),
            segmentors=segmentors,
        )

    def _rows(self, run: SegmentorRun, found: Gathered) -> Iterator[dict[str, Any]]:
        truth = self._coco_file(found)
        draws = bootstrap.resamples(found.scored) if found.scored else None
        for name in SETTINGS:
            reason = run.reasons.get(name)
            if reason is None:
                ap = average_precision(truth, found.detections[name])
                row = score(found.counts[name], draws, ap)
            else:
                row = dict.fromkeys(COLUMNS)
            yield dict(setting=name, reason=reason, **row, paper=_paper(name))


def _paper(setting: str) -> dict[str, float] | None:
    """Return the paper's means, in [0, 1] as all others here."""
    table = paper_tables()[1]
    if setting not in table.rows:
        return None
    return {column: round(value / 100, 4) for column, value in table.values(setting).items()}


def _add(found: Gathered, image_id: int, record: dict) -> None:
    """Add the scored boxes of an image."""
    found.encodes += record['image']['encodes']
    scored = [box for box in record['boxes'] if box['status'] == SCORED]
    found.unscored += len(record['boxes']) - len(scored)
    if not scored:
        return
    image = record['image']
    found.truth['images'].append(
        dict(id=image_id, file_name=image['path'], width=image['width'], height=image['height'])
    )
    for box in scored:
        about = dict(image_id=image_id, category_id=box['category_id'])
        found.truth['annotations'].append(
            dict(
                id=len(found.truth['annotations']) + 1,
                **about,
                area=box['area'],
                iscrowd=0,
                bbox=masks.bbox(box['truth']),
                segmentation=box['truth'],
                box_id=box['box_id'],
            )
        )
        for name, result in box['results'].items():
            found.counts[name].add(found.scored, box['area'], result)
            if result['segmentation'] is not None:
                score_of = 1.0 if result['score'] is None else result['score']
                found.detections[name].append(
                    dict(about, segmentation=result['segmentation'], score=score_of)
                )
    found.scored += 1
