# Any folder in Pascal VOC's layout, as it is; class names come from the labels.
dataset = dict(type='VOCBoxDataset', classes=None)
data_root = 'data/voc'
out = 'data/samrs/voc'
tile = None
