# Any folder of labels; their format is found out, or named with --from.
dataset = dict(type='AutoBoxDataset', classes=None, source='auto')
data_root = 'data/any'
out = 'data/samrs/any'
tile = None
