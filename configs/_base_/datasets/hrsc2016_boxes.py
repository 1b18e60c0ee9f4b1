# HRSC2016 as downloaded; dataset.split=all takes every image of FullDataSet.
dataset = dict(type='HRSC2016BoxDataset', classes=('ship',), split='test')
data_root = 'data/HRSC2016'
out = 'data/samrs/hrsc2016'
tile = None
