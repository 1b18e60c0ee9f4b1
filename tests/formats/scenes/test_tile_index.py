import json

import pytest

from samrs_mm.core.errors import RefusedError
from samrs_mm.formats.scenes.tile_index import read_scene_sizes


@pytest.mark.parametrize('text', [None, '', '[]', '{"partial":false}', '{"scenes":{"a":[1,2]}}'])
def test_a_folder_that_lists_no_scenes_is_refused(tmp_path, text):
    if text is not None:
        (tmp_path / 'tiles.json').write_text(text)
    with pytest.raises(RefusedError, match=r'tiles\.json: does not list the scenes of the tiles'):
        read_scene_sizes(tmp_path)


def test_sizes_are_width_and_height_by_name(tmp_path):
    meta = dict(partial=False, scenes={'2_10': [6000, 5990]})
    (tmp_path / 'tiles.json').write_text(json.dumps(meta))
    assert read_scene_sizes(tmp_path) == {'2_10': (6000, 5990)}
    (tmp_path / 'tiles.json').write_text(json.dumps(meta | dict(partial=True)))
    with pytest.raises(RefusedError, match='not all scenes are cut yet'):
        read_scene_sizes(tmp_path)
