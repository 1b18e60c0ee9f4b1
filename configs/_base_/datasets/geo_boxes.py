# GeoTIFFs, and boxes of a GeoPackage, GeoJSON, shapefile, FlatGeobuf or CSV (--boxes).
# The class is a column. Each box is in one tile; boxes larger than a tile have one of their own.
dataset = dict(type='GeoBoxDataset', boxes=None, class_field='class', classes=None)
data_root = 'data/geo'
out = 'data/samrs/geo'
tile = dict(size=1024, overlap=256, once=True, drop_empty=True)
