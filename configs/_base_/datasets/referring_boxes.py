# RefSegRS, RISBench or RRSIS-D as downloaded; dataset.split=val takes that part alone.
dataset = dict(type='ReferringBoxDataset', classes=None, split=None, parts=None)
data_root = 'data/RefSegRS'
out = 'data/samrs/referring'
tile = None
