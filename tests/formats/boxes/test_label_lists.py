import pytest

from samrs_mm.formats.boxes.label_lists import image_parts


def write(root, **texts):
    for name, text in texts.items():
        path = root / name.replace('__', '/').replace('_txt', '.txt')
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


def test_lists_of_voc_name_images_below_their_folder(tmp_path):
    images = [f'{folder}/JPEGImages/{stem}.jpg' for folder in ('A', 'B') for stem in ('1', 'b.c')]
    write(
        tmp_path,
        A__ImageSets__Main__train_txt='1\nx\n',
        A__ImageSets__Main__val_txt='b.c 1\n',
        A__ImageSets__Main__car_train_txt='b.c  1\n',
        B__ImageSets__Main__test_txt='JPEGImages\\1.jpg\n',
    )
    found = image_parts(tmp_path, 'voc', images)
    assert found.of == {images[0]: 'train', images[1]: 'val', images[2]: 'test'}
    assert found.lists == [
        'A/ImageSets/Main/train.txt', 'A/ImageSets/Main/val.txt', 'B/ImageSets/Main/test.txt',
    ]  # fmt: skip
    assert not found.twice


@pytest.mark.parametrize(
    'line', ['images/a.png', './images/a.png', '/content/data/images/a.png', 'data\\images\\a.png']
)
def test_lists_of_yolo_name_images_by_path(tmp_path, line):
    write(tmp_path, valid_txt=line, other__train_txt='images/a.png')
    found = image_parts(tmp_path, 'yolo', ['images/a.png', 'more/images/a.png'])
    assert found.of == {'images/a.png': 'val'}
    assert found.lists == ['valid.txt']


@pytest.mark.parametrize(('source', 'line'), [('voc', '{}'), ('yolo', './images/{}.png')])
def test_an_umlaut_may_be_one_letter_or_two(tmp_path, source, line):
    names = ['K\u00f6ln', 'Ko\u0308ln']
    path = dict(voc='ImageSets__Main__train_txt', yolo='train_txt')[source]
    for name, other in (names, names[::-1]):
        write(tmp_path, **{path: line.format(name)})
        found = image_parts(tmp_path, source, [f'images/{other}.png'])
        assert found.of == {f'images/{other}.png': 'train'}


def test_of_two_parts_the_first_counts(tmp_path):
    write(tmp_path, autosplit_val_txt='a.png\nb.png\n', Train_txt='a.png\nno.png\n')
    found = image_parts(tmp_path, 'yolo', ['a.png', 'b.png'])
    assert found.of == {'a.png': 'train', 'b.png': 'val'}
    assert found.twice == ['a.png']


def test_other_texts_are_no_lists(tmp_path):
    write(tmp_path, train_txt='0 0.5 0.5 0.1 0.1\n', labels__val_txt='a.png')
    assert image_parts(tmp_path, 'yolo', ['train.png', 'a.png']).lists == []
