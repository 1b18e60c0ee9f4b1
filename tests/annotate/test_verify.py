from samrs_mm.annotate.verify import verify
from samrs_mm.formats.annotated import folder
from samrs_mm.formats.annotated.record import Record


def test_verify_names_the_box_whose_measure_is_wrong(filled, annotate):
    annotate(filled)
    finaliser = filled.finaliser(filled.settings())
    assert verify(filled.plan, filled.checker(), finaliser)[0] == []
    path = filled.out.path(folder.INSTANCES, 'P0000')
    record = Record.load(path)
    record.boxes[1].leakage = 0.5
    record.write(path)
    problems, _ = verify(filled.plan, filled.checker(), finaliser)
    assert any(f'{path}: {record.boxes[1].box_id}: leakage: 0.5 -> ' in line for line in problems)
