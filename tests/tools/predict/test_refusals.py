"""What is refused, failed or left alone, each with its line."""

import os

import numpy as np
import pytest
from image_cases import save_tiff
from PIL import Image
from predicting import SIZE
from scene_cases import scene


def test_a_bad_image_does_not_stop_the_rest(run, folder, tmp_path, capsys):
    (folder / '1.png').write_bytes((folder / '1.png').read_bytes()[:3000])
    (folder / '2.png').write_bytes(b'')
    assert run(folder) == 1
    said = capsys.readouterr()
    failed = [line for line in said.err.splitlines() if line.startswith('failed: ')]
    assert [name for name in ('1.png', '2.png') if any(name in line for line in failed)]
    assert len(failed) == 2
    assert 'images   2 predicted, 2 failed' in said.out
    assert sorted(os.listdir(tmp_path / 'out/labels')) == ['0.png', '3.png']
    Image.fromarray(scene(*SIZE, seed=1)).save(folder / '1.png')
    (folder / '2.png').unlink()
    assert run(folder) == 0
    assert 'images   1 predicted, 2 were done before, 0 failed' in capsys.readouterr().out


def test_a_scene_that_is_damaged_in_the_middle_leaves_nothing(run, folder, tmp_path, capsys):
    for name, options in (('a', {}), ('b', dict(nodata=0))):
        pixels = np.random.default_rng(0).integers(0, 256, (3, 200, 300), dtype=np.uint8)
        blocks = dict(tiled=True, blockxsize=64, blockysize=64, compress='deflate')
        path = save_tiff(folder / f'{name}.tif', pixels, **blocks, **options)
        data = bytearray(path.read_bytes())
        data[len(data) * 3 // 4 : len(data) * 3 // 4 + 20_000] = bytes(20_000)
        path.write_bytes(data)
    assert run(folder, '--save', 'labels,probabilities') == 1
    failed = [line for line in capsys.readouterr().err.splitlines() if 'failed: ' in line]
    assert len(failed) == 2
    assert all(f'{name}.tif: cannot read the image' in failed[i] for i, name in enumerate('ab'))
    done = [f'{number}.{{}}' for number in range(4)]
    assert sorted(os.listdir(tmp_path / 'out/labels')) == [name.format('png') for name in done]
    assert sorted(os.listdir(tmp_path / 'out/probabilities')) == [n.format('tif') for n in done]


def test_files_of_others_are_not_overwritten(run, folder, tmp_path, capsys):
    (tmp_path / 'out/labels').mkdir(parents=True)
    (tmp_path / 'out/labels/3.png').write_bytes(b'mine')
    for flags in ((), ('--restart',)):
        assert run(folder, *flags) == 2
        assert (
            'not of this tool, such as labels/3.png; choose another --out'
            in capsys.readouterr().err
        )
    assert (tmp_path / 'out/labels/3.png').read_bytes() == b'mine'


@pytest.mark.parametrize(
    ('images', 'flags', 'message'),
    [
        (['no.png'], [], 'no.png: no such file or folder'),
        (['empty'], [], 'empty: no image in it (looked for .png'),
        (['images', 'other/0.jpg'], [], '0.png and other/0.jpg would be written to one file'),
        (['images'], ['--source', 'sota'], 'source sota: this model has one head only'),
        (['images'], ['--window', '32', '--stride', '33'], 'stride 33: it must be in 1..32'),
        (['images'], ['--device', 'cuda:77'], 'device cuda:77: '),
        (['images'], ['--cfg-options', 'model.backbone.layers=3'], 'of another architecture'),
    ],
)
def test_refused(run, folder, tmp_path, capsys, monkeypatch, images, flags, message):
    monkeypatch.chdir(tmp_path)
    (tmp_path / 'empty').mkdir()
    (tmp_path / 'other').mkdir()
    (tmp_path / 'other/0.jpg').write_bytes(b'')
    assert run(images, *flags) == 2
    *_, error = capsys.readouterr().err.splitlines()
    assert error.startswith('error: ')
    assert message in error
    assert not (tmp_path / 'out').exists()


def test_out_is_a_file(run, folder, tmp_path, capsys):
    (tmp_path / 'out').write_text('mine')
    assert run(folder) == 2
    assert f'error: out {tmp_path}/out: cannot write there: ' in capsys.readouterr().err
    assert (tmp_path / 'out').read_text() == 'mine'


def test_a_config_of_another_kind(predict, trained, folder, tmp_path, capsys):
    (tmp_path / 'boxes.py').write_text("model = dict(type='BoxFillSegmentor')\n")
    argv = [tmp_path / 'boxes.py', trained / 'weights.pth', folder, '--out', tmp_path / 'out']
    assert predict(list(map(str, argv))) == 2
    assert "model.type='BoxFillSegmentor' makes masks from boxes" in capsys.readouterr().err
    assert not (tmp_path / 'out').exists()


def test_an_unknown_name_in_a_config(predict, trained, folder, tmp_path, capsys):
    (tmp_path / 'typo.py').write_text("model = dict(type='EncodeDecoder')\n")
    argv = [tmp_path / 'typo.py', trained / 'weights.pth', folder, '--out', tmp_path / 'out']
    assert predict(list(map(str, argv))) == 2
    error = capsys.readouterr().err.splitlines()[-1]
    assert "model.type='EncodeDecoder': EncodeDecoder is not in the mmseg::model registry" in error
    assert "did you mean 'EncoderDecoder'? correct the name" in error


@pytest.mark.parametrize('flags', [['--save', 'labels,maps'], ['--window', '0'], ['--tta', 'no']])
def test_wrong_flags(run, folder, flags):
    with pytest.raises(SystemExit) as stop:
        run(folder, *flags)
    assert stop.value.code == 2


def test_help_teaches(predict, capsys):
    with pytest.raises(SystemExit):
        predict(['--help'])
    said = capsys.readouterr().out
    for word in ('examples:', 'exit codes:', '--source', '255 = no data', 'centre', 'average'):
        assert word in said
