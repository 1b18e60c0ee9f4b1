from samrs_mm.formats.annotated import folder
from samrs_mm.formats.annotated.record import Record


def test_verify_runs_no_postscript_in_place_of_a_label_map(filled, annotate, monkeypatch):
    ran = []
    monkeypatch.setattr('PIL.EpsImagePlugin.Ghostscript', lambda *_: ran.append(1))
    annotate(filled)
    head = b'%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n%%EndComments\n\n'
    path = filled.out.path(folder.SEMANTIC, 'P0000')
    path.write_bytes(head + b'%ImageData: 9 9 8 1 0 1 2 "x"\n%%EOF\n')  # grey, as a label map is
    problems, _ = filled.verify(filled.settings())
    assert f'cannot identify image file {str(path)!r}' in problems[0]
    assert not ran


def test_verify_names_the_box_whose_measure_is_wrong(filled, annotate):
    annotate(filled)
    assert filled.verify(filled.settings())[0] == []
    path = filled.out.path(folder.INSTANCES, 'P0000')
    record = Record.load(path)
    record.boxes[1].leakage = 0.5
    record.write(path)
    problems, _ = filled.verify(filled.settings())
    assert any(f'{path}: {record.boxes[1].box_id}: leakage: 0.5 -> ' in line for line in problems)
