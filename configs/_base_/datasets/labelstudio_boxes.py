# Any JSON export of Label Studio, as it is; class names come from the labels.
dataset = dict(type='LabelStudioBoxDataset', classes=None)
data_root = 'data/labelstudio'
out = 'data/samrs/labelstudio'
tile = None
