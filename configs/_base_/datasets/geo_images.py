# GeoTIFFs without labels; masks come from a grid of points.
dataset = dict(type='GeoImageDataset')
data_root = 'data/geo'
out = 'data/samrs/geo'
tile = dict(size=1024, overlap=256)
grid = dict(side=(32, 16, 8), scale=(1, 2, 4), min_score=0.88, min_stability=0.95, nms=0.7)
