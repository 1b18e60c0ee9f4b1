# Any boxes in a COCO json file; class names come from the labels.
dataset = dict(type='COCOBoxDataset', classes=None, ann_file='annotations.json')
data_root = 'data/coco'
out = 'data/samrs/coco'
tile = None
