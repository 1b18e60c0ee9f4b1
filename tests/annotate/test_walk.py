"""The way of one box from its label line to the ledger: how many files it visits."""

import csv
import inspect
import sys
import threading
from pathlib import Path

import pytest
from folders import CONFIG, ROOT, load_tool, write_dota

from samrs_mm.annotate.driver import Annotator, SampleStream
from samrs_mm.annotate.finalise import Finaliser

MOST, MOST_OF_THE_RUN = 36, 60
"""Files that a reader opens to follow one box, and that a whole run enters; never to get more.

Fourteen of a box's are which tile it goes to, who writes it, its masking by itself, the masks'
windows and runs, the sheet of what is known of a scene and the objects joined on it, the lists of
images and the totals at the end, two that look for corrections, and the note of what its image was
made from and of the files beside it, written under a lock; the run also opens the dataset, chooses
the prompter, compares what is finished with that note, asks how many threads the folder was started
with, and for a report of a reduced precision, has a rule by which pictures are shown, a module for
boxes around others, one for what it says on the way, and one for the table that ends it. Six of a
run's are what every tool enters: config files and their names, operating systems, the set of mm
libraries, strict loading, and words for numbers. Python's own search for a module that is imported
on the way, which asks our finders, is no part of it.
"""

BEGINNINGS = SampleStream._scene.__code__, Finaliser._stream.__code__
STAND_IN = 'samrs_mm/compat/stand_in.py'  # asked when a module is imported first
ENDS = Annotator.run.__code__, Finaliser._stream.__code__


class Walk:
    """Notes the files whose functions are called for the image and its box.

    What runs once before, between and after (flags, config, classes, plan) is left out: the walk
    goes from the reading of the scene's labels to the end of the driver's loop, and through the
    writing of the set-level files. Bodies of modules and classes, which run when they are imported
    first, are no functions.
    """

    def __init__(self):
        self.visits: list[str] = []
        self.all: set[str] = set()
        self.walking = False

    def __call__(self, frame, event, _) -> None:
        code = frame.f_code
        if code.co_name == 'find_spec' or not code.co_flags & inspect.CO_OPTIMIZED:
            return
        if not code.co_filename.startswith((f'{ROOT}/samrs_mm/', f'{ROOT}/tools/')):
            return
        name = str(Path(code.co_filename).relative_to(ROOT))
        if event == 'call' and code in BEGINNINGS:
            self.walking = True
        if event == 'return' and code in ENDS:
            self.walking = False
        if name == STAND_IN:
            return
        self.all.add(name)
        if event == 'call' and self.walking and self.visits[-1:] != [name]:
            self.visits.append(name)

    @property
    def files(self) -> list[str]:
        """In order of the first visit."""
        return list(dict.fromkeys(self.visits))


@pytest.fixture
def walk(tmp_path):
    """Annotate one image with one box by GrabCut."""
    data = write_dota(tmp_path / 'data', scenes=2)
    for path in data.glob('*/P0001.*'):
        path.unlink()
    label = data / 'labelTxt/P0000.txt'
    label.write_text(label.read_text().splitlines()[0])
    main = load_tool('sam_annotate').main
    argv = [CONFIG, '--data-root', str(data), '--out', str(tmp_path / 'out'), '--workers', '0']
    found = Walk()
    threading.setprofile(found)
    sys.setprofile(found)
    try:
        assert main(argv) == 0
    finally:
        sys.setprofile(None)
        threading.setprofile(None)
    (row,) = csv.DictReader((tmp_path / 'out/ledger.csv').open())
    assert row['status'] == 'kept'
    return found


def test_one_box_visits_few_files(walk):
    print(f'\none box: {len(walk.files)} files, {len(walk.visits)} changes of file')
    print(*walk.files, sep='\n')
    print('the whole run:', len(walk.all), 'files;', *sorted(walk.all - set(walk.files)))
    assert len(walk.files) <= MOST, walk.files
    assert len(walk.all) <= MOST_OF_THE_RUN, sorted(walk.all)
