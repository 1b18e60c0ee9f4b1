from samrs_mm.formats.boxes.labels import LabelProblem, ParsedLabels, PlaceNamer


def test_place_namer_numbers_boxes_of_one_line():
    place = PlaceNamer('a.xml')
    assert [place(line) for line in (3, 5, 5, 3, 5)] == [
        'a.xml:3', 'a.xml:5', 'a.xml:5.2', 'a.xml:3.2', 'a.xml:5.3',
    ]  # fmt: skip


def test_problems_are_kept_in_order():
    labels = ParsedLabels()
    labels.add_problem('a:1', 'x')
    labels.add_problem('a:2', 'y')
    assert labels.problems == [LabelProblem('a:1', 'x'), LabelProblem('a:2', 'y')]
    assert ParsedLabels().problems == []
