# DOTA-v2.0 as downloaded (train and val), its HBB or OBB files; tiles and classes as in SAMRS.
dataset = dict(type='DOTABoxDataset', classes='sota')
data_root = 'data/DOTA-v2'
out = 'data/samrs/sota'
tile = dict(size=1024, overlap=200, iof=0.7)
