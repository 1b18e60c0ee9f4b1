# DIOR as downloaded; dataset.labels='Oriented Bounding Boxes' takes DIOR-R's R-Boxes.
dataset = dict(type='DIORBoxDataset', classes='sior', labels='Horizontal Bounding Boxes')
data_root = 'data/DIOR'
out = 'data/samrs/sior'
tile = None
