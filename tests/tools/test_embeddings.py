"""``--embeddings``: the same bytes with a store that is filled, empty or absent."""

import os
import signal

import pytest
from folders import CONFIG, ROOT, load_tool, run_apart, tree, write_dota
from sam_cases import SMALL

from samrs_mm.drawn.dataset import write_demo_dataset
from samrs_mm.formats import embeddings as files
from samrs_mm.models.prompt_segmentors.sam import SAMSegmentor

THIN = SMALL | dict(embed_dim=48)
COCO_CONFIG = str(ROOT / 'configs/annotate/coco_grabcut_hbox.py')


@pytest.fixture
def small_sam(tmp_path):
    """A config of a small random SAM."""

    def write(name='small_sam', base=CONFIG, **options):
        model = dict(type='SAMSegmentor', arch=SMALL, threads=1, device='cpu', _delete_=True)
        path = tmp_path / f'{name}.py'
        path.write_text(f"_base_ = [{base!r}]\nmodel = {model | options}\nprompt = 'rhbox'\n")
        return str(path)

    return write


@pytest.fixture
def dota(tmp_path):
    return write_dota(tmp_path / 'dota', scenes=4)


@pytest.fixture
def run(annotate, small_sam, tmp_path):
    """``run('a', '--prompt', 'cp')`` annotates into a with a store; returns the folder's hashes."""
    store = tmp_path / 'store'

    def call(out, *flags, code=0, embeddings=store, config=None):
        chosen = () if embeddings is None else ('--embeddings', embeddings)
        assert annotate(*chosen, *flags, out=out, config=config or small_sam()) == code
        return tree(tmp_path / out)

    return call


@pytest.fixture
def no_encoder(monkeypatch):
    """Fail where an image is encoded."""

    def switch_off():
        def fail(self, images):
            raise AssertionError('encoded')

        monkeypatch.setattr(SAMSegmentor, 'encode', fail)

    return switch_off


def test_a_store_changes_no_byte(run, tmp_path, no_encoder, capsys):
    direct = run('direct', embeddings=None)
    other = run('other', '--prompt', 'cp+hbox', embeddings=None)
    assert run('empty') == direct
    assert '0 embeddings read, 3 stored' in capsys.readouterr().out
    names = sorted(os.listdir(tmp_path / 'store'))
    assert names == ['P0000.safetensors', 'P0001.safetensors', 'P0002.safetensors']
    no_encoder()
    assert run('filled') == direct
    assert run('prompted', '--prompt', 'cp+hbox') == other
    assert '3 embeddings read, 0 stored' in capsys.readouterr().out


def test_fp16_is_a_setting_of_the_folder(run, tmp_path, no_encoder, annotate, small_sam, capsys):
    half = ('--embeddings-dtype', 'fp16')
    direct = run('direct', embeddings=None)
    made = run('out', *half, '--limit', 1)
    made = run('out', *half)
    sizes = {path.stat().st_size for path in (tmp_path / 'store').iterdir()}
    assert len(sizes) == 1
    assert 256 * 64 * 2 < sizes.pop() < 256 * 64 * 2 + 2000
    assert made.keys() == direct.keys()
    assert made != direct
    no_encoder()
    assert run('again', *half) == made
    capsys.readouterr()
    assert annotate(out='out', config=small_sam()) == 2
    assert 'embeddings: "fp16" -> null' in capsys.readouterr().err
    assert (
        annotate('--embeddings', tmp_path / 'store', *half, out='direct', config=small_sam()) == 2
    )
    assert 'embeddings: null -> "fp16"' in capsys.readouterr().err
    assert annotate('--verify', out='out', config=small_sam()) == 0
    assert annotate('--finalise', out='out', config=small_sam()) == 0
    assert tree(tmp_path / 'out') == made


def test_killed_while_it_stores(run, small_sam, dota, tmp_path):
    direct = run('direct', embeddings=None)
    store = tmp_path / 'store'
    argv = [small_sam(), '--data-root', str(dota), '--out', str(tmp_path / 'out'), '--workers', '0',
            '--embeddings', str(store)]  # fmt: skip
    kills = 0
    for nth in (2, 3, 4):
        code = run_apart(argv, ('kill', 'replace', nth))
        if code == 0:
            break
        assert code == -signal.SIGKILL
        kills += 1
    assert kills >= 2
    assert run_apart(argv) == 0
    assert tree(tmp_path / 'out') == direct
    whole = [path for path in store.iterdir() if not path.name.endswith('.tmp')]
    for path in whole:
        files.read(path)
    assert run('again') == direct
    assert len([name for name in os.listdir(store) if not name.endswith('.tmp')]) == 3


def test_a_disk_that_takes_no_embedding_loses_nothing_else(run, small_sam, dota, tmp_path):
    direct = run('direct', embeddings=None)
    argv = [small_sam(), '--data-root', str(dota), '--out', str(tmp_path / 'out'), '--workers', '0',
            '--embeddings', str(tmp_path / 'store')]  # fmt: skip
    assert run_apart(argv, ('fsize', 40_000)) == 0
    assert tree(tmp_path / 'out') == direct
    assert not os.listdir(tmp_path / 'store')


def test_shards_and_tiles_share_a_store(run, small_sam, annotate, tmp_path, no_encoder):
    tiled = small_sam('tiled')
    with open(tiled, 'a') as file:
        file.write('tile = dict(_delete_=True, size=64, overlap=16, iof=0.5)\n')
    direct = run('direct', embeddings=None, config=tiled)
    for shard in ('0/2', '1/2'):
        run('shards', '--shard', shard, config=tiled)
    assert tree(tmp_path / 'shards') == direct
    assert len(os.listdir(tmp_path / 'store')) > 6
    no_encoder()
    assert run('whole', config=tiled) == direct


def test_other_weights_and_another_picture_are_said(run, small_sam, dota, capsys):
    run('first')
    other = small_sam('other', arch=SMALL | dict(seed=9))
    direct = run('direct', embeddings=None, config=other)
    capsys.readouterr()
    assert run('second', config=other) == direct
    said = capsys.readouterr()
    assert said.err.count('of another encoder (arch.seed: 3 -> 9): encoded anew') == 1
    assert 'encoded anew: 3 of another encoder' in said.out
    picture = dota / 'images/P0001.png'
    picture.write_bytes((dota / 'images/P0002.png').read_bytes())
    direct = run('direct', embeddings=None, config=other)
    capsys.readouterr()
    assert run('second', config=other) == direct
    assert 'P0001.safetensors: of another picture: encoded anew' in capsys.readouterr().err


def test_verify_reads_the_embeddings_of_images_again(run, tmp_path, capsys):
    run('out')
    run('out', '--verify')
    store = tmp_path / 'store'
    damaged, other = store / 'P0000.safetensors', store / 'P0001.safetensors'
    damaged.write_bytes(damaged.read_bytes()[:-1])
    other.write_bytes((store / 'P0002.safetensors').read_bytes())
    capsys.readouterr()
    run('out', '--verify', code=1)
    said = capsys.readouterr()
    assert f'wrong: {damaged}: truncated or damaged' in said.err
    assert f'wrong: {other}: of another picture' in said.err
    assert '2 problems' in said.out


def test_a_dry_run_tells_the_size_and_writes_nothing(run, tmp_path, capsys, monkeypatch):
    run('dry', '--dry-run')
    assert not (tmp_path / 'store').exists()
    said = capsys.readouterr().out
    assert f'embeddings 0 of 3 in {tmp_path / "store"} (fp32), about 0.2 MB more, ' in said
    assert 'do not fit' not in said
    run('out', '--limit', 2)
    monkeypatch.setattr('shutil.disk_usage', lambda path: os.terminal_size((0, 0)) and Full())
    capsys.readouterr()
    run('dry', '--dry-run')
    assert 'embeddings 2 of 3 in ' in (said := capsys.readouterr().out)
    assert 'about 0.1 MB more, 0.0 GB free there  <- they do not fit there' in said


class Full:
    free = 7


@pytest.mark.parametrize(
    ('flags', 'says'),
    [
        (('--embeddings', 'elsewhere'), 'GrabCutSegmentor has no image encoder'),
        (('--embeddings', 'x', '--embeddings-dtype', 'int8'), "invalid choice: 'int8'"),
    ],
)
def test_what_is_refused(annotate, capsys, flags, says):
    try:
        code = annotate(*flags)
    except SystemExit as end:
        code = end.code
    assert code == 2
    assert says in capsys.readouterr().err


def test_a_store_in_the_dataset_is_refused(run, tmp_path, capsys):
    run('out', embeddings=tmp_path / 'out/embeddings', code=2)
    assert 'choose a folder outside' in capsys.readouterr().err
    assert not (tmp_path / 'out').exists()


def test_a_read_only_store_is_used(run, tmp_path, no_encoder, capsys, monkeypatch):
    direct = run('direct')
    store = tmp_path / 'store'
    (store / 'P0001.safetensors').unlink()
    store.chmod(0o555)

    def refuse(*_, **__):  # root may write all the same
        raise PermissionError(13, 'Permission denied', str(store))

    monkeypatch.setattr(files, 'atomic_write', refuse)
    capsys.readouterr()
    assert run('out') == direct
    said = capsys.readouterr()
    assert said.err.count('cannot write there (Permission denied); it is used as it is') == 1
    assert '2 embeddings read, 0 stored' in said.out
    store.chmod(0o755)


def test_the_ablation_takes_what_an_annotation_stored(run, small_sam, tmp_path, no_encoder, capsys):
    data = tmp_path / 'drawn'
    list(write_demo_dataset(data, scenes=1, size=96))
    config, other = small_sam('mine', base=COCO_CONFIG), small_sam('thin', arch=THIN)
    ablate = load_tool('prompt_ablation').main
    argv = [config, '--data-root', str(data), '--workers', '0', '--segmentor', other,
            'configs/_base_/prompt_segmentors/box_fill.py']  # fmt: skip
    store = tmp_path / 'store'
    assert ablate([*argv, '--out', str(tmp_path / 'direct')]) == 0
    direct = tree(tmp_path / 'direct')
    stored = ['--embeddings', str(store)]
    assert ablate([*argv, *stored, '--out', str(tmp_path / 'empty')]) == 0
    assert 'box_fill: BoxFillSegmentor has no image encoder' in capsys.readouterr().out
    assert tree(tmp_path / 'empty') == direct
    assert len(list(store.glob('*.safetensors'))) == len(list(store.glob('thin/*'))) == 1
    no_encoder()
    assert ablate([*argv, *stored, '--out', str(tmp_path / 'filled')]) == 0
    assert tree(tmp_path / 'filled') == direct
    run('annotated', '--data-root', data, config=config)
    half = [*argv, *stored, '--embeddings-dtype', 'fp16', '--out', str(tmp_path / 'half')]
    assert ablate(half) == 0
    assert ablate([*argv, *stored, '--out', str(tmp_path / 'half')]) == 2
    assert 'embeddings: "fp16" -> null' in capsys.readouterr().err
    assert ablate([COCO_CONFIG, *argv[1:5], *stored, '--out', str(tmp_path / 'none')]) == 2
    assert 'GrabCutSegmentor has no image encoder' in capsys.readouterr().err
