"""Tiles of a small dataset."""

from samrs_mm.annotate.plan import Plan
from samrs_mm.core.tiling import TileSpec
from samrs_mm.datasets.boxes.dota import DOTABoxDataset
from samrs_mm.prepare.box_tiles import BoxTileCutter

TILE = TileSpec(size=60, overlap=20, iof=0.6, pad=(9, 8, 7))


def make(dota, out, tile=TILE, **options) -> BoxTileCutter:
    return BoxTileCutter(Plan(DOTABoxDataset(str(dota)), tile), out, **options)


def run(cutter, workers=0):
    cutter.start()
    results = cutter.run(workers)
    cutter.finish(results)
    return results
