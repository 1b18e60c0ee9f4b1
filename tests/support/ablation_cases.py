"""What an ablation is run with, and what is read of its folder."""

import json

from folders import ROOT

COCO_CONFIG = str(ROOT / 'configs/annotate/coco_grabcut_hbox.py')
FILLED = ['hbox', 'hbox-m', 'hbox+hbox-m', 'rbox-m', 'rhbox', 'rhbox-m', 'rhbox+rhbox-m', 'rbox']


def table_of(out):
    return json.loads((out / 'ablation.json').read_text())


def rows_of(out, segmentor=None):
    part = next(s for s in table_of(out)['segmentors'] if segmentor in (None, s['name']))
    return {row['setting']: row for row in part['rows']}


def records_of(out, segmentor):
    folder = out / 'runs' / segmentor / 'instances'
    return {path.stem: json.loads(path.read_text()) for path in sorted(folder.iterdir())}
