from samrs_mm.formats.annotated import folder
from samrs_mm.formats.annotated.record import Record


def test_verify_names_the_box_whose_measure_is_wrong(filled, annotate):
    annotate(filled)
    assert filled.verify(filled.settings())[0] == []
    path = filled.out.path(folder.INSTANCES, 'P0000')
    record = Record.load(path)
    record.boxes[1].leakage = 0.5
    record.write(path)
    problems, _ = filled.verify(filled.settings())
    assert any(f'{path}: {record.boxes[1].box_id}: leakage: 0.5 -> ' in line for line in problems)
