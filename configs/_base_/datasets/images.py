# Any folder of images without labels; masks come from a grid of points.
dataset = dict(type='ImageFolderDataset')
data_root = 'data/images'
out = 'data/samrs/images'
tile = dict(size=1024, overlap=256)
grid = dict(side=(32, 16, 8), scale=(1, 2, 4), min_score=0.88, min_stability=0.95, nms=0.7)
