import pytest
from hypothesis import given
from hypothesis import strategies as st

from samrs_mm.core.errors import RefusedError
from samrs_mm.formats.boxes.yolo_names import class_names, read_names_file


def read(tmp_path, data: bytes | str, name: str = 'data.yaml'):
    path = tmp_path / name
    path.write_bytes(data if isinstance(data, bytes) else data.encode())
    return read_names_file(path)


@pytest.mark.parametrize(
    ('text', 'names'),
    [
        ('names: [y, n, true, null, ~]', ('y', 'n', 'true', 'null', '~')),
        ('names: [0o17, 0x1F, 1e3, 12:30:45, 2024-01-01]',
         ('0o17', '0x1F', '1e3', '12:30:45', '2024-01-01')),
        ('names:\n- 007\n- "on"\n- !!str 5\n', ('007', 'on', '5')),
        ('names: {1: off, 0: A350}', ('A350', 'off')),
        ('names: &x [a, b]\nother: *x\nnc: 2 # two', ('a', 'b')),
        ('names: ["a: b", "c #d"]', ('a: b', 'c #d')),
    ],
)  # fmt: skip
def test_names_stay_as_they_are_written(tmp_path, text, names):
    assert read(tmp_path, text).names == names


@pytest.mark.parametrize('encoding', ['utf-8', 'utf-8-sig', 'utf-16'])
def test_any_marked_encoding(tmp_path, encoding):
    assert read(tmp_path, '船\r\nZürich\r\n\r\n'.encode(encoding), 'classes.txt').names == (
        '船', 'Zürich',
    )  # fmt: skip


@pytest.mark.parametrize(
    ('text', 'says'),
    [
        ('names: []', 'no class names'),
        ('nc: 3', 'has no names:'),
        ('- a\n- b', 'has no names:'),
        ('names: 3', "data.yaml:1: names is '3', not a list"),
        ('nc: 2\nnames: {0: a, 2: b}', 'data.yaml:2: names are numbered 0, 2; .* without a gap'),
        ('names: {0: a, 0: b}', "'0' is there twice"),
        ('names: [a]\nnames: [b]', "data.yaml:2: 'names' is there twice"),
        ('names: [a, [b]]', 'a name that is a list'),
        ('names: [a, ""]', "class 1 is called ''"),
        ('names: ["a\\tb"]', 'give it a name'),
        ('names: ["small car", "small  car "]', 'classes 0 and 1 are both called'),
        ('nc: three\nnames: [a]', 'data.yaml:1: nc is three, but there is 1 name: a'),
        ('names: [a\n', 'malformed YAML'),
        ('names: [a]\n---\nnames: [b]', 'malformed YAML'),
        ('names: &x [*x]', 'a name that is a list'),
        ('names: [a]\nkpt_shape: [17]', 'data.yaml:2: kpt_shape is not'),
        (b'names: [\xff]', 'not UTF-8 text'),
    ],
)
def test_what_gives_no_class_a_name_of_its_own_is_refused(tmp_path, text, says):
    with pytest.raises(RefusedError, match=says):
        read(tmp_path, text)


def test_a_blank_line_is_named(tmp_path):
    with pytest.raises(RefusedError, match=r'classes.txt:1: a blank line'):
        read(tmp_path, '\nship\n', 'classes.txt')
    with pytest.raises(RefusedError, match='not UTF-8 text'):
        read(tmp_path, 'Zürich\n'.encode('latin-1'), 'classes.txt')


@pytest.mark.parametrize('text', ['0 ship\n1 car\n', '0: ship\n1: car', '0\tship\n1\tcar\n'])
def test_names_that_begin_with_their_numbers(tmp_path, text):
    with pytest.raises(RefusedError, match='leave the numbers out'):
        read(tmp_path, text, 'classes.txt')


@pytest.mark.parametrize('names', [('0', '1'), ('2 wheels', '4 wheels'), ('0 emission',)])
def test_names_that_are_or_hold_numbers(tmp_path, names):
    assert read(tmp_path, '\n'.join(names), 'classes.txt').names == names


def test_names_beside_the_labels(tmp_path):
    (tmp_path / 'labels/train').mkdir(parents=True)
    read(tmp_path, 'ship\n', 'labels/train/classes.txt')
    assert class_names(tmp_path, None).names == ('ship',)
    read(tmp_path, 'car\n', 'labels/classes.txt')
    with pytest.raises(RefusedError, match='differ: car and ship'):
        class_names(tmp_path, None)


def test_key_points(tmp_path):
    assert read(tmp_path, 'names: [a]\nkpt_shape: [17, 3]').key_points == (17, 3)
    assert read(tmp_path, 'names: [a]').key_points is None


def test_two_files_that_differ_are_refused(tmp_path):
    read(tmp_path, 'names: [a, b]')
    read(tmp_path, 'a\nb\n', 'classes.txt')
    assert class_names(tmp_path, None).file.name == 'data.yaml'
    read(tmp_path, 'b\na\n', 'classes.txt')
    with pytest.raises(RefusedError, match='differ: a, b and b, a; say which is right'):
        class_names(tmp_path, None)
    given_file = tmp_path / 'classes.txt'
    assert class_names(tmp_path, str(given_file)).names == ('b', 'a')


def test_a_yaml_of_another_name_is_taken_if_it_is_the_only_one(tmp_path):
    read(tmp_path, 'names: [a]', 'ships.yaml')
    (tmp_path / 'args.yaml').write_text('lr: 0.1')
    assert class_names(tmp_path, None).file.name == 'ships.yaml'
    read(tmp_path, 'names: [b]', 'boats.yml')
    with pytest.raises(RefusedError, match=r'is it args\.yaml|is it boats\.yml'):
        class_names(tmp_path, None)


@given(st.binary(max_size=80) | st.text(alphabet='names: [],{}0123&*-"\n', max_size=80))
def test_any_file_is_read_or_refused(tmp_path_factory, data):
    folder = tmp_path_factory.getbasetemp()
    for name in 'any.yaml', 'any.txt':
        try:
            names = read(folder, data, name).names
        except RefusedError as error:
            names = (str(error).partition(name)[1],)
        assert all(names)
