"""Three rounds of a data engine on drawn scenes, with a person who knows the true masks.

The first round's scenes have boxes; of the others the detector of the round before proposes them.
The mask maker makes masks, the person accepts, corrects, rejects and adds, and both networks learn
from that. After each round both are scored on scenes that no round sees. The same command goes on
where it was killed, a training from its start.
"""

import json
import shutil
import sys
from collections import Counter
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from drawn_runs import ROOT, known_objects, parser_of, run_apart, run_inside

from samrs_mm.cli import run_command
from samrs_mm.core import masks as mask_ops
from samrs_mm.core.atomic import atomic_write, dump
from samrs_mm.drawn.scenes import DOMAINS
from samrs_mm.formats.annotated.entries import BoxEntry
from samrs_mm.formats.annotated.folder import INSTANCES, AnnotatedFolder
from samrs_mm.formats.annotated.record import Record
from samrs_mm.formats.corrections.actions import Action, Corrections, action_of, added

EXAMPLES = ROOT / 'configs/examples/data_engine'
CLASSES = sorted({*DOMAINS['a'].categories.values()})
FOUND, GOOD = 0.5, 0.9
"""IoU from which a mask is of an object, and from which the person accepts it."""
WHO = dict(by='simulated', when='2026-01-01T00:00:00+00:00')


@dataclass
class Settings:
    """What a run is made of."""

    scenes: int = 12
    held_out: int = 9
    size: int = 256
    rounds: int = 3
    score: float = 0.2
    detector: tuple[str, ...] = ()
    mask_maker: tuple[str, ...] = ()


@dataclass
class Round:
    """The numbers of a round: of its own scenes, then of those held out."""

    objects: int = 0
    boxes: int = 0
    masks: int = 0
    accepted: int = 0
    corrected: int = 0
    reclassed: int = 0
    rejected: int = 0
    added: int = 0
    held_mask_iou: float = 0.0
    held_precision: float = 0.0
    held_recall: float = 0.0
    held_miou: float = 0.0


def draw(out: Path, settings: Settings) -> Path:
    """Draw all scenes into one folder; return it."""
    scenes = settings.held_out + settings.rounds * settings.scenes
    if not (out / 'annotations.json').is_file():
        run_inside('dataset_converters/make_demo_data', out, '--scenes', scenes, '--size',
                 settings.size)  # fmt: skip
    return out


def part_of(drawn: Path, names: list[str], out: Path, boxes: bool) -> Path:
    """Write a data root of some of the scenes, with or without their boxes."""
    coco = json.loads((drawn / 'annotations.json').read_bytes())
    images = [image for image in coco['images'] if Path(image['file_name']).stem in names]
    ids = {image['id'] for image in images}
    entries = [each for each in coco['annotations'] if each['image_id'] in ids]
    for each in entries:  # as people have them: no masks
        del each['segmentation'], each['rbox']
    (out / 'images').mkdir(parents=True, exist_ok=True)
    for image in images:
        shutil.copy(drawn / image['file_name'], out / image['file_name'])
    if boxes:
        content = dict(images=images, annotations=entries, categories=coco['categories'])
        (out / 'annotations.json').write_bytes(dump(content))
    return out


def annotate(data: Path, out: Path, weights: Path | None) -> None:
    """Make masks of a data root's boxes, or enter what was corrected since."""
    checkpoint = ['--checkpoint', weights] if weights else []
    run_inside(
        'sam_annotate', ROOT / 'configs/annotate/coco_boxnet_hbox.py', '--data-root', data, '--out',
        out, '--workers', 0, *checkpoint, '--cfg-options', f'dataset.classes={tuple(CLASSES)}',
    )  # fmt: skip


def judge(out: Path, truth: dict[str, list[tuple[str, dict]]], found: Round) -> None:
    """Correct every image of a folder as a person who knows the truth, and count what was done."""
    folder = AnnotatedFolder(out)
    for stem in sorted(folder.done()):
        record = Record.load(folder.path(INSTANCES, stem))
        corrections, counts = Corrections.of(stem, record.image), Counter[str]()
        for action in decisions(record, truth[stem], counts):
            corrections.add(action)
        if not folder.corrections(stem).exists():
            corrections.write(folder.corrections(stem))
        found.objects += len(truth[stem])
        found.boxes += len(record.boxes)
        for name, count in counts.items():
            setattr(found, name, getattr(found, name) + count)


def decisions(
    record: Record, objects: list[tuple[str, dict]], counts: Counter[str]
) -> list[Action]:
    """Return what a person does to an image; masks go to objects by IoU, best first."""
    boxes = [box for box in record.boxes if box.segmentation is not None]
    overlaps = overlaps_of(boxes, objects)
    actions: list[Action] = []
    owners = pairs(overlaps)
    for row, box in enumerate(boxes):
        if row not in owners:
            counts['rejected'] += 1
            actions.append(action_of(box, 'reject', **WHO))
            continue
        name, mask = objects[owners[row]]
        good = overlaps[row, owners[row]] >= GOOD
        counts['accepted' if good else 'corrected'] += 1
        actions.append(action_of(box, *(('accept',) if good else ('mask', mask)), **WHO))
        if box.category != name:
            counts['reclassed'] += 1
            actions.append(action_of(box, 'class', name, **WHO))
    for column in set(range(len(objects))) - set(owners.values()):
        counts['added'] += 1
        actions.append(added(*objects[column], **WHO))
    counts['masks'] += len(boxes)
    return actions


def iou(one: dict, other: dict) -> float:
    """Return the IoU of two masks."""
    shared, union = mask_ops.overlap(one, other)
    return shared / union


def overlaps_of(boxes: list[BoxEntry], objects: list[tuple[str, dict]]) -> np.ndarray:
    """Return the IoU of each mask and each object, ``(masks, objects)``."""
    found = [[iou(box.mask, mask) for _, mask in objects] for box in boxes]
    return np.array(found, float).reshape(len(boxes), len(objects))


def pairs(overlaps: np.ndarray) -> dict[int, int]:
    """Return the column of each row, one to one, from the largest overlap down to ``FOUND``."""
    found: dict[int, int] = {}
    for place in np.argsort(-overlaps, axis=None):
        row, column = (int(k) for k in np.unravel_index(place, overlaps.shape))
        if overlaps[row, column] < FOUND:
            break
        if row not in found and column not in found.values():
            found[row] = column
    return found


def train(
    out: Path, folders: list[Path], held: Path, last: dict[str, Any], settings: Settings
) -> dict:
    """Train the detector on all rounds and the mask maker on the last; return their weights."""
    config = out / 'detector.py'
    lines = [f'_base_ = {str(EXAMPLES / "detector_rounds.py")!r}']
    parts = [
        f'dict(_base_.train_dataloader.dataset.datasets[0], data_root={str(folder)!r}, '
        f"source='round_{number}')"
        for number, folder in enumerate(folders, start=1)
    ]
    lines.append(f'train_dataloader = dict(dataset=dict(datasets=[{", ".join(parts)}]))')
    config.write_text('\n'.join([*lines, '']))
    start = [f'load_from={last["detector"]}'] if last.get('detector') else []
    if not (out / 'detector/last_checkpoint').is_file():  # written when the weights are whole
        run_apart(
            'train', config, '--work-dir', out / 'detector', '--cfg-options',
            f'val_dataloader.dataset.data_root={held}', 'val_dataloader.dataset.ann_file=', *start,
            *settings.detector,
        )  # fmt: skip
    (detector,) = (out / 'detector').glob('iter_*.pth')
    start = [f'model.checkpoint={last["mask_maker"]}'] if last.get('mask_maker') else []
    run_apart(
        'train', EXAMPLES / 'mask_maker.py', '--work-dir', out / 'mask_maker', '--cfg-options',
        f'masks.data_root={folders[-1]}', *start, *settings.mask_maker, allowed=1,
    )  # fmt: skip
    better = [*(out / 'mask_maker').glob('*.safetensors')]  # none: the old ones are better
    return dict(
        config=config, detector=detector, mask_maker=better[0] if better else last.get('mask_maker')
    )


def propose(weights: dict, data: Path, settings: Settings) -> None:
    """Write proposed boxes as the labels of a data root."""
    run_inside(
        'propose_boxes', weights['config'], weights['detector'], data / 'images', '--out',
        data / 'annotations.json', '--score', settings.score, '--overwrite', '--device', 'cpu',
    )  # fmt: skip


def score(
    out: Path, held: Path, truth: dict, weights: dict, settings: Settings, found: Round
) -> None:
    """Score the mask maker on true boxes, and both networks together, on the scenes held out."""
    annotate(held, out / 'of_boxes', weights['mask_maker'])
    data = out / 'held'
    shutil.copytree(held / 'images', data / 'images', dirs_exist_ok=True)
    propose(weights, data, settings)
    annotate(data, out / 'of_proposals', weights['mask_maker'])
    ious, hits, proposed, objects = [], 0, 0, 0
    confusion = np.zeros((len(CLASSES) + 1, len(CLASSES) + 1), np.int64)
    for path in sorted((out / 'of_boxes' / INSTANCES).glob('*.json')):
        record, mine = Record.load(path), truth[path.stem]
        ious += [
            iou(box.mask, mask) if box.segmentation else 0.0
            for box, (_, mask) in zip(record.boxes, mine, strict=True)
        ]
        made = Record.load(out / 'of_proposals' / INSTANCES / path.name)
        names = np.array([[box.category == name for name, _ in mine] for box in made.kept], bool)
        overlaps = overlaps_of(made.kept, mine)
        hits += len(pairs(overlaps * names.reshape(overlaps.shape)))
        proposed, objects = proposed + len(made.kept), objects + len(mine)
        maps = [each.paint('small_on_top') for each in (true_record(record, mine), made)]
        true, said = (np.minimum(each, len(CLASSES)).ravel() for each in maps)
        np.add.at(confusion, (true, said), 1)
    found.held_mask_iou = float(np.mean(ious))
    found.held_precision, found.held_recall = hits / max(proposed, 1), hits / max(objects, 1)
    there = confusion[:-1].sum(1) > 0
    shared = np.diag(confusion)[:-1][there]
    union = (confusion.sum(0) + confusion.sum(1))[:-1][there] - shared
    found.held_miou = float(np.mean(shared / union))


def true_record(record: Record, objects: list[tuple[str, dict]]) -> Record:
    """Return a record with the true masks and classes."""
    for box, (name, mask) in zip(record.boxes, objects, strict=True):
        box.enter_mask(mask_ops.Mask(mask), '')
        box.category, box.category_id = name, CLASSES.index(name) + 1
    return record


def one_round(
    number: int, out: Path, folders: list[Path], last: dict[str, Any], settings: Settings
) -> tuple[Round, dict[str, Any]]:
    """Do a round and return its numbers and the weights that it ends with."""
    drawn, here = out / 'drawn', out / f'round_{number}'
    judged, truth = here / 'judged.json', known_objects(drawn)
    if judged.is_file():
        found = Round(**json.loads(judged.read_bytes()))
    else:
        shutil.rmtree(here, ignore_errors=True)
        found, names = Round(), list(truth)
        first = settings.held_out + (number - 1) * settings.scenes
        data = part_of(drawn, names[first : first + settings.scenes], here / 'data', number == 1)
        if number > 1:
            propose(last, data, settings)
        annotate(data, here / 'masks', last.get('mask_maker'))
        judge(here / 'masks', truth, found)
        annotate(data, here / 'masks', last.get('mask_maker'))
        atomic_write(judged, dump(asdict(found)))
    for name in ('mask_maker', 'of_boxes', 'of_proposals', 'held'):
        shutil.rmtree(here / name, ignore_errors=True)
    weights = train(here, [*folders, here / 'masks'], out / 'held/masks', last, settings)
    score(here, out / 'held', truth, weights, settings, found)
    return found, weights


def run(out: Path, settings: Settings) -> list[Round]:
    """Do all rounds that are not done yet, print the table and return it."""
    out = out.absolute()
    drawn = draw(out / 'drawn', settings)
    truth = known_objects(drawn)
    held = part_of(drawn, list(truth)[: settings.held_out], out / 'held', True)
    annotate(held, out / 'held/masks', None)
    judge(out / 'held/masks', truth, Round())
    annotate(held, out / 'held/masks', None)
    done: list[Round] = []
    folders: list[Path] = []
    last: dict[str, Any] = {}
    for number in range(1, settings.rounds + 1):
        note = out / f'round_{number}.json'
        if note.is_file():
            known = json.loads(note.read_bytes())
            found, last = Round(**known['numbers']), known['weights']
        else:
            found, last = one_round(number, out, folders, last, settings)
            last = {key: value and str(value) for key, value in last.items()}
            atomic_write(note, dump(dict(numbers=asdict(found), weights=last)))
        done.append(found)
        folders.append(out / f'round_{number}/masks')
        print(table(done))
    return done


def table(rounds: list[Round]) -> str:
    """Return a row for each number and a column for each round."""
    lines = [
        '| | ' + ' | '.join(f'round {number}' for number, _ in enumerate(rounds, 1)) + ' |',
        '| --- |' + ' --- |' * len(rounds),
    ]
    for name in asdict(rounds[0]):
        values = [getattr(found, name) for found in rounds]
        cells = [f'{value:.3f}' if isinstance(value, float) else str(value) for value in values]
        lines.append(f'| {name.replace("_", " ")} | {" | ".join(cells)} |')
    return '\n'.join(lines)


def main(argv: list[str] | None = None) -> int:
    """Run the benchmark and return its exit code."""
    parser = parser_of(__doc__, 'data_engine')
    add = parser.add_argument
    add('--scenes', type=int, default=12, help='scenes of a round (default: %(default)s)')
    add('--iterations', type=int, default=150, help='of the detector (default: %(default)s)')
    add('--size', type=int, default=256, help='side of a scene in pixels (default: %(default)s)')
    args = parser.parse_args(argv)
    steps = args.iterations
    detector = (
        f'train_cfg.max_iters={steps}', f'train_cfg.val_interval={steps}',
        f'default_hooks.checkpoint.interval={steps}', f'param_scheduler.1.begin={steps // 2}',
        f'param_scheduler.1.T_max={steps - steps // 2}', f'param_scheduler.1.end={steps}',
        'default_hooks.checkpoint.save_best=None', 'train_dataloader.num_workers=1',
    )  # fmt: skip
    settings = Settings(scenes=args.scenes, size=args.size, detector=detector)

    def work() -> int:
        rounds = run(args.out, settings)
        worse = [
            number
            for number, found in enumerate(rounds[1:], start=2)
            if found.held_miou < rounds[0].held_miou
        ]
        for number in worse:
            print(f'round {number} is worse than the first', file=sys.stderr)
        return 1 if worse else 0

    return run_command(work, 'the same command goes on')


if __name__ == '__main__':
    sys.exit(main())
