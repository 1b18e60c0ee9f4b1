# FAIR1M-2.0 as downloaded (train and validation); tiles and classes as in SAMRS.
dataset = dict(type='FAIR1MBoxDataset', classes='fast')
data_root = 'data/FAIR1M-2.0'
out = 'data/samrs/fast'
tile = dict(size=600, overlap=150, iof=0.5)
