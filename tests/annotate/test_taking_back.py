"""What was corrected is taken back on demand, by actions of its own."""

import pytest
from corrected import correct_some
from folders import CONFIG, load_tool, tree, write_dota

from samrs_mm.formats.annotated.folder import AnnotatedFolder
from samrs_mm.formats.annotated.record import Record
from samrs_mm.formats.corrections.actions import Corrections

FLAGS = '--workers', '0', '--cfg-options', 'model.type=BoxFillSegmentor'


@pytest.fixture
def corrected(tmp_path):
    """A folder with corrections in P0000, and the bytes that it had before."""
    data, out = write_dota(tmp_path / 'data', scenes=2), tmp_path / 'out'
    annotate = load_tool('sam_annotate').main
    command = [CONFIG, '--data-root', str(data), '--out', str(out), *FLAGS]
    assert annotate(command) == 0
    before = tree(out)
    correct_some(AnnotatedFolder(out))
    assert annotate([*command, '--finalise']) == 0
    return out, before


def take(out, *flags):
    return load_tool('import_corrections').main([str(out), '--by', 'ann', *flags])


def actions(out):
    return Corrections.load(out / 'corrections/P0000.json').actions


def test_the_last_action_of_each_box_is_taken_back_until_none_is_left(corrected, capsys):
    out, before = corrected
    made = actions(out)
    assert [each.action for each in made] == ['mask', 'class', 'reject', 'add']
    boxes = sorted({each.box_id for each in made})
    edited = tree(out)
    assert take(out, '--undo', made[0].box_id, '--dry-run') == 0
    assert tree(out) == edited
    assert take(out, '--undo', made[0].box_id) == 0
    (first, *_) = Record.load(out / 'instances/P0000.json').boxes
    assert 'mask' not in first.edited
    assert actions(out)[-1].value == made[0].id
    while len(left := {each.box_id for each in Corrections.load(
        out / 'corrections/P0000.json').standing}):  # fmt: skip
        assert take(out, '--undo', *left) == 0
    after = {name: digest for name, digest in tree(out).items() if 'corrections/' not in name}
    assert after == before
    capsys.readouterr()
    assert take(out, '--undo', *boxes, 'x.txt:1') == 1
    err = capsys.readouterr().err
    assert err.count('no correction of it stands in') == len(boxes) + 1
    assert f'failed: x.txt:1: no correction of it stands in {out}' in err


def test_a_box_is_known_by_its_name_of_now(corrected):
    out, _ = corrected
    labels = out.parent / 'data/labelTxt/P0000.txt'
    labels.write_text('\n' + labels.read_text())
    command = [CONFIG, '--data-root', str(out.parent / 'data'), '--out', str(out), *FLAGS]
    assert load_tool('sam_annotate').main(command) == 0
    (first, *_) = Record.load(out / 'instances/P0000.json').boxes
    assert first.edited
    assert first.box_id not in {each.box_id for each in actions(out) if each.action == 'mask'}
    assert take(out, '--undo', first.box_id) == 0
    assert actions(out)[-1].action == 'undo'
    (first, *_) = Record.load(out / 'instances/P0000.json').boxes
    assert not first.edited


def test_an_image_that_a_file_has_twice_is_named(corrected, tmp_path, capsys):
    out, _ = corrected
    image = Record.load(out / 'instances/P0001.json').image
    element = f'<image name="P0001.png" width="{image.width}" height="{image.height}"></image>'
    path = tmp_path / 'two.xml'
    path.write_text(f'<annotations>{element}{element}</annotations>')
    capsys.readouterr()
    assert take(out, str(path), '--dry-run') == 1
    assert f"{path}: two images are called 'P0001'; take one out" in capsys.readouterr().err


def test_an_umlaut_may_be_one_letter_or_two(tmp_path, capsys):
    data, out = write_dota(tmp_path / 'data', scenes=1), tmp_path / 'out'
    for path in sorted(data.glob('*/P0000.*')):
        path.rename(path.with_name(f'Ko\u0308ln{path.suffix}'))
    command = [CONFIG, '--data-root', str(data), '--out', str(out), *FLAGS]
    assert load_tool('sam_annotate').main(command) == 0
    image = Record.load(out / 'instances/Ko\u0308ln.json').image
    path = tmp_path / 'one.xml'
    path.write_text(
        f'<annotations><image name="K\u00f6ln.png" width="{image.width}" height="{image.height}">'
        '</image></annotations>', encoding='utf-8',
    )  # fmt: skip
    assert take(out, str(path), '--dry-run') == 0
    assert 'images   1 image' in capsys.readouterr().out
