# Any export CVAT for images, as it is; class names and their order are those of the task.
dataset = dict(type='CVATBoxDataset', classes=None)
data_root = 'data/cvat'
out = 'data/samrs/cvat'
tile = None
