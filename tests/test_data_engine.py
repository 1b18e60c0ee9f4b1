"""The rounds of benchmarks/data_engine.py, and those of the page, on drawn scenes."""

import json
import re
import shlex

import numpy as np
import pytest
from folders import ROOT, load_tool
from mmengine.config import Config
from proposing import write_detector
from training_runs import run_tool

from samrs_mm.core import masks
from samrs_mm.engine.class_match import miscounts
from samrs_mm.formats.annotated.folder import AnnotatedFolder
from samrs_mm.formats.annotated.record import Record

PAGE = ROOT / 'docs/data_engine.md'
TINY = dict(
    detector=(
        'train_cfg.max_iters=2', 'train_cfg.val_interval=2', 'train_dataloader.batch_size=2',
        'default_hooks.checkpoint.interval=2', 'default_hooks.checkpoint.save_best=None',
        'param_scheduler.1.begin=1', 'param_scheduler.1.T_max=1', 'param_scheduler.1.end=2',
        'train_dataloader.num_workers=0', 'train_dataloader.persistent_workers=False',
    ),
    mask_maker=(
        'train_cfg.max_iters=2', 'train_cfg.val_interval=2', 'param_scheduler.0.end=1',
        'train_dataloader.batch_size=4',
    ),
)  # fmt: skip


@pytest.fixture(scope='module')
def bench():
    return load_tool('../benchmarks/data_engine')


@pytest.fixture(scope='module')
def rounds(bench, tmp_path_factory):
    """Two rounds with a detector that isn't taught, and what they came to."""
    out = tmp_path_factory.mktemp('rounds')
    config, weights = write_detector(out, scale=160, classes=bench.CLASSES)
    given = dict(config=config, detector=weights, mask_maker=None)
    settings = bench.Settings(scenes=2, held_out=2, size=160, rounds=2)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(bench, 'train', lambda *_: given)
        return out, bench.run(out, settings), settings


def test_the_numbers_of_a_round_add_up(bench, rounds):
    _, found, _ = rounds
    first, second = found
    for each in found:
        assert each.objects == each.accepted + each.corrected + each.added
        assert each.masks == each.accepted + each.corrected + each.rejected <= each.boxes
    assert (first.boxes, first.rejected, first.added) == (first.objects, 0, 0), 'its boxes are true'
    assert second.rejected > 0, 'proposed by a detector that knows nothing'
    assert first.held_mask_iou > 0.8
    assert first.held_miou == second.held_miou, 'of the same networks'
    assert '| rejected | 0 |' in bench.table(found)


def test_every_object_of_a_round_has_its_mask_in_the_end(bench, rounds):
    out = rounds[0]
    truth = bench.known_objects(out / 'drawn')
    for number in (1, 2):
        folder = AnnotatedFolder(out / f'round_{number}/masks')
        for stem in folder.done():
            kept = Record.load(folder.path('instances', stem)).kept
            assert len(kept) == len(truth[stem])
            for name, mask in truth[stem]:
                ious = [
                    shared / union
                    for box in kept
                    if box.category == name
                    for shared, union in [masks.overlap(box.mask, mask)]
                ]
                assert max(ious) >= bench.GOOD


def test_it_goes_on_where_it_was(bench, rounds, monkeypatch):
    out, found, settings = rounds
    monkeypatch.setattr(bench, 'one_round', None)
    assert bench.run(out, settings) == found


def test_what_a_killed_round_has_judged_and_trained_stays(bench, rounds, tmp_path, monkeypatch):
    out, found, settings = rounds
    trained, calls = tmp_path / 'detector', []
    trained.mkdir()
    (trained / 'iter_2.pth').touch()
    monkeypatch.setattr(bench, 'run_apart', lambda name, *words, **_: calls.append(words[0].name))
    train = dict(last={}, settings=settings, held=tmp_path, folders=[tmp_path])
    with monkeypatch.context() as patch:
        patch.setattr(bench, 'judge', None)
        patch.setattr(bench, 'score', lambda *_: None)
        patch.setattr(bench, 'train', lambda *_: {})
        again, _ = bench.one_round(2, out, [], {}, settings)
    assert (again.boxes, again.rejected) == (found[1].boxes, found[1].rejected)
    bench.train(tmp_path, **train)
    (trained / 'last_checkpoint').touch()
    assert bench.train(tmp_path, **train)['detector'] == trained / 'iter_2.pth'
    assert calls == ['detector.py', 'mask_maker.py', 'mask_maker.py']


def test_masks_go_to_objects_one_to_one(bench):
    overlaps = np.array([[0.9, 0.6, 0.0], [0.8, 0.7, 0.0], [0.0, 0.0, 0.4]])
    assert bench.pairs(overlaps) == {0: 0, 1: 1}
    assert bench.pairs(np.zeros((0, 3))) == {}


def test_the_configs_fit_the_scenes(bench):
    for name in ('detector', 'detector_rounds'):
        path = ROOT / f'configs/examples/data_engine/{name}.py'
        cfg = Config.fromfile(path, import_custom_modules=False)
        assert not [*miscounts(cfg.model, {None: bench.CLASSES}, 'train_dataloader')]
        assert cfg.model.bbox_head.type == 'RTMDetSepBNHead'


def commands(folder) -> list[list[str]]:
    """Return the commands of each block of the page, about a folder."""
    blocks = re.findall(r'```bash\n(.*?)```', PAGE.read_text(encoding='utf-8'), re.S)
    rounds = [block for block in blocks if 'DIR/' in block]
    found = [block.replace('DIR/', f'{folder}/').splitlines() for block in rounds]
    assert len(found) == 3
    return found


def run(command: str, folder) -> None:
    """Run a command of the page; networks learn for two steps."""
    _, name, *words = shlex.split(command)
    tool = name.removeprefix('tools/').removesuffix('.py')
    words = [word.replace('iter_400', 'iter_2') for word in words]
    if any('num_classes=N' in word for word in words):
        classes = json.loads((folder / 'masks_1/meta.json').read_bytes())['classes']
        words = [word.replace('num_classes=N', f'num_classes={len(classes)}') for word in words]
    if tool == 'train':
        (code,), said = run_tool(
            tool, [*words, *TINY[words[0].split('/')[-1][:-3]]], folder / 'said'
        )
        assert code in (0, 1) if 'mask_maker' in words[0] else code == 0, said[-2000:]
    else:
        assert load_tool(tool).main(words) == 0, command


@pytest.mark.slow
def test_the_commands_of_the_page(bench, tmp_path, monkeypatch):
    monkeypatch.chdir(ROOT)
    settings = bench.Settings(scenes=6, held_out=0, size=160, rounds=2)
    drawn = bench.draw(tmp_path / 'drawn', settings)
    truth = bench.known_objects(drawn)
    bench.part_of(drawn, [*truth][:6], tmp_path / 'first', True)
    bench.part_of(drawn, [*truth][6:], tmp_path / 'second', False)
    blocks = commands(tmp_path)
    for command in blocks[0]:
        run(command, tmp_path)
    bench.judge(tmp_path / 'masks_1', truth, bench.Round())
    for command in [*blocks[0], *blocks[1]]:
        run(command, tmp_path)
    weights = tmp_path / 'maker_1/mask_maker.safetensors'
    propose, annotate = blocks[2]
    run(f'{propose} --score 0.01', tmp_path)
    if not weights.exists():  # two steps need not be of use
        annotate = annotate.partition(' --checkpoint')[0]
    run(annotate, tmp_path)
    assert json.loads((tmp_path / 'masks_2/annotations.json').read_bytes())['images']
