import subprocess
import sys

import pytest
from folders import ROOT

from samrs_mm.core.parallel import ordered_map, unordered_map


def test_in_this_process():
    stream = ordered_map(str, range(3), 0)
    assert next(stream) == '0'
    assert list(stream) == ['1', '2']
    assert list(unordered_map(str, range(3), 0)) == ['0', '1', '2']


CODE = """
import os, time
from samrs_mm.core.errors import SamrsError
from samrs_mm.core.parallel import ordered_map

def work(item):
    if item == DIES:
        os._exit(1)
    time.sleep(0.002 * (item % 3))
    return item, os.getpid()

try:
    done = list(ordered_map(work, range(300), 3))
    print([item for item, _ in done] == list(range(300)), os.getpid() in {pid for _, pid in done})
except SamrsError as error:
    print(error)
"""


@pytest.mark.parametrize(
    ('dies', 'says'),
    [('None', 'True False'), ('200', 'a working process died, perhaps out of memory')],
)
def test_results_come_in_order_and_a_death_is_told(dies, says):
    done = subprocess.run(
        [sys.executable, '-c', CODE.replace('DIES', dies)],
        cwd=ROOT, capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert done.stdout.startswith(says), done.stderr


def test_results_come_as_they_are_done():
    code = (
        CODE.replace('ordered_map', 'unordered_map').replace('DIES', 'None').replace('0.002', '0.1')
    )
    code = code.replace('range(300)', 'range(6)').replace('print([', 'print(sorted([')
    code = code.replace('for item, _ in done] ==', 'for item, _ in done]) ==')
    code += '\nprint([item for item, _ in done] == list(range(6)))'
    done = subprocess.run(
        [sys.executable, '-c', code], cwd=ROOT, capture_output=True, text=True, timeout=60
    )
    assert done.stdout.split() == ['True', 'False', 'False'], done.stderr


def test_a_reader_that_stops_ends_the_processes():
    code = CODE.replace('DIES', 'None').replace(
        'done = list(ordered_map(work, range(300), 3))',
        'stream = ordered_map(work, range(10**5), 3); done = [next(stream)]; stream.close()',
    )
    done = subprocess.run(
        [sys.executable, '-c', code], cwd=ROOT, capture_output=True, text=True, timeout=60
    )
    assert done.stdout.startswith('False False'), done.stderr
