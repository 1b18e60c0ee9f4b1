# Any folder in YOLO's layout, as it is; class names and their order are those of data.yaml.
dataset = dict(type='YOLOBoxDataset', classes=None)
data_root = 'data/yolo'
out = 'data/samrs/yolo'
tile = None
