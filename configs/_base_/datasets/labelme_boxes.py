# Any folder of LabelMe or X-AnyLabeling, as it is; class names come from the labels.
dataset = dict(type='LabelMeBoxDataset', classes=None)
data_root = 'data/labelme'
out = 'data/samrs/labelme'
tile = None
