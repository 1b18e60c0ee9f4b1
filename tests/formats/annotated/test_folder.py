import json
import re
from pathlib import Path

import pytest

from samrs_mm.core.errors import RefusedError
from samrs_mm.core.resumable import signature_of
from samrs_mm.formats.annotated import folder
from samrs_mm.formats.annotated.folder import AnnotatedFolder
from samrs_mm.formats.annotated.record import Record

SETTINGS = dict(format=1, prompt='hbox', tile=None)


@pytest.fixture
def out(tmp_path) -> AnnotatedFolder:
    out = AnnotatedFolder(tmp_path / 'out')
    out.open(SETTINGS)
    return out


def put(out: AnnotatedFolder, kind: str, stem: str, data: bytes | None = None) -> Path:
    path = out.path(kind, stem)
    path.parent.mkdir(exist_ok=True)
    image = dict(path='a.png', scene='a', split=None, offset=None)
    record = Record.of_image(**image, width=1, height=1, sha256=None, notes=[])
    path.write_bytes(data or record.dump())
    return path


def test_paths(out):
    assert out.path(folder.INSTANCES, 'P1') == out.root / 'instances/P1.json'
    assert out.path(folder.SEMANTIC, 'P1.5') == out.root / 'semantic/P1.5.png'
    assert out.path(folder.SHOW, 'P1') == out.root / 'show/P1.jpg'
    assert out.meta == out.root / 'meta.json'


def test_done_and_failed_see_records_only(out):
    assert AnnotatedFolder(out.root / 'none').done() == set()
    put(out, folder.INSTANCES, 'a')
    put(out, folder.INSTANCES, 'b.c')
    put(out, folder.FAILED, 'd')
    (out.root / 'instances/.e.json.tmp').write_bytes(b'')
    (out.root / 'instances/.f.json').write_bytes(b'')
    (out.root / 'instances/g.txt').write_bytes(b'')
    assert out.done() == {'a', 'b.c'}
    assert out.failed() == {'d'}


def test_opening_states_the_settings_once(out):
    meta = json.loads(out.meta.read_bytes())
    assert meta == dict(partial=True, settings=SETTINGS, signature=signature_of(SETTINGS))
    stamp = out.meta.stat().st_mtime_ns
    out.open(SETTINGS)
    assert out.meta.stat().st_mtime_ns == stamp


def test_a_folder_of_another_version_is_not_gone_on_with(out):
    with pytest.raises(RefusedError, match=r'another version .*format 1, .* writes 2.*--restart'):
        out.check(dict(settings=SETTINGS | dict(format=2)))


def test_other_settings_are_refused_and_named(out):
    before = out.meta.read_bytes()
    with pytest.raises(RefusedError, match=re.escape('other settings (prompt: "hbox" -> "cp")')):
        out.open(SETTINGS | dict(prompt='cp'))
    assert out.meta.read_bytes() == before


@pytest.mark.parametrize('data', [b'', b'[]', b'{}', b'{"settings'])
def test_a_foreign_meta_is_refused(out, data):
    out.meta.write_bytes(data)
    with pytest.raises(RefusedError, match=r'meta.json: not a meta.json of this tool'):
        out.open(SETTINGS)


def test_a_folder_of_someone_else_is_refused(tmp_path):
    (tmp_path / 'thesis.tex').write_bytes(b'')
    with pytest.raises(
        RefusedError, match=r'holds files that are not of this tool, such as thesis'
    ):
        AnnotatedFolder(tmp_path).open(SETTINGS)
    assert not (tmp_path / 'meta.json').exists()


def test_an_out_that_cannot_be_written_is_refused(tmp_path):
    (tmp_path / 'file').write_bytes(b'')
    with pytest.raises(
        RefusedError, match=r'file/out: cannot write there: Not a directory; choose'
    ):
        AnnotatedFolder(tmp_path / 'file/out').open(SETTINGS)


def test_foreign_files(out):
    put(out, folder.INSTANCES, 'a')
    put(out, folder.SEMANTIC, 'a')
    for name in ('annotations.json', '.ledger.csv.tmp', 'instances/.a.json.tmp', 'report/x.html'):
        path = out.root / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(b'')
    assert out.foreign({'a'}) == []
    put(out, folder.SEMANTIC, 'b')
    (out.root / 'notes').write_bytes(b'')
    assert out.foreign({'a'}) == ['notes', 'semantic/b.png']


def test_what_gdal_leaves_of_a_killed_run_is_ours(out):
    put(out, folder.INSTANCES, 'a')
    begun = '.masks.gpkg.tmp-journal', 'labels/.a.tif.tmp.rows', 'labels/.a.tif.tmp.rows.ovr.tmp'
    for name in begun:
        (out.root / name).parent.mkdir(exist_ok=True)
        (out.root / name).write_bytes(b'')
    assert out.foreign({'a'}) == []
    (out.root / 'labels/.b.tif.tmp.rows').write_bytes(b'')
    assert out.foreign({'a'}) == ['labels/.b.tif.tmp.rows']
    (out.root / 'labels/.b.tif.tmp.rows').unlink()
    assert out.restart({'a'}) == 5


def test_restart_deletes_what_is_ours(out):
    put(out, folder.INSTANCES, 'a')
    put(out, folder.SEMANTIC, 'a')
    put(out, folder.FAILED, 'gone from the dataset')
    assert out.restart({'a'}) == 4
    assert [path for path in out.root.rglob('*') if path.is_file()] == []
    assert out.restart({'a'}) == 0
    assert AnnotatedFolder(out.root / 'none').restart(set()) == 0


def test_restart_leaves_what_other_tools_made(out):
    put(out, folder.INSTANCES, 'a')
    for name in ('train.txt', 'packed/a.tif', 'report/index.html'):
        path = out.root / name
        path.parent.mkdir(exist_ok=True)
        path.write_text('kept')
    out.restart({'a'})
    left = {str(path.relative_to(out.root)) for path in out.root.rglob('*') if path.is_file()}
    assert left == {'train.txt', 'packed/a.tif', 'report/index.html'}
    assert out.restart({'a'}) == 0
    out.open({})


def test_restart_refuses_what_no_record_names(out):
    put(out, folder.INSTANCES, 'a')
    put(out, folder.SEMANTIC, 'mine')
    with pytest.raises(RefusedError, match=r'holds 1 file .* such as semantic/mine.png'):
        out.restart({'a'})
    put(out, folder.INSTANCES, 'mine', b'not a record')
    with pytest.raises(RefusedError, match='holds 2 files'):
        out.restart({'a'})
    out.meta.unlink()
    with pytest.raises(RefusedError, match=r'has no meta.json, so it is not ours'):
        out.restart({'a'})
    assert out.path(folder.INSTANCES, 'a').exists()


def test_restart_keeps_meta_to_the_last(out, monkeypatch):
    put(out, folder.INSTANCES, 'a')
    removed = []
    original = Path.unlink
    monkeypatch.setattr(
        Path, 'unlink', lambda path, **kw: (removed.append(path.name), original(path, **kw))
    )
    out.restart({'a'})
    assert removed[-1] == 'meta.json'


def test_clean_removes_mended_failures_and_killed_writes(out):
    put(out, folder.INSTANCES, 'a')
    put(out, folder.FAILED, 'a')
    put(out, folder.FAILED, 'b')
    for name in ('semantic/.a.png.tmp', 'instances/.b.json.tmp', 'semantic/.hidden'):
        (out.root / name).write_bytes(b'')
    out.clean()
    assert out.failed() == {'b'}
    left = {str(p.relative_to(out.root)) for p in out.root.rglob('*') if p.is_file()}
    assert left == {
        'meta.json', 'instances/a.json', 'failed/b.json', 'instances/.b.json.tmp',
        'semantic/.hidden',
    }  # fmt: skip
