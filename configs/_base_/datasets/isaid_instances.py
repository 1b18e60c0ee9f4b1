# iSAID as downloaded, with boxes made from its instance masks; dataset.split=val takes val/ alone.
dataset = dict(type='ISAIDInstanceDataset', classes=None, split=None)
data_root = 'data/iSAID'
out = 'data/samrs/isaid'
tile = None
