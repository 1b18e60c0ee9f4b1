# Any folder in DOTA's format; class names come from the labels.
dataset = dict(type='DOTABoxDataset', classes=None)
data_root = 'data/dota'
out = 'data/samrs/dota'
tile = None
