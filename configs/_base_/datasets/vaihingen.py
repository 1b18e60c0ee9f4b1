# ISPRS Vaihingen, six classes: tiles of 512 px. Labels begin at 1, 0 are eroded boundaries. Clutter
# is trained, but not averaged. Red, green and blue of the images are near infrared, red and green.
_base_ = './converted.py'
num_classes = 6
train_dataloader = dict(dataset=dict(type='ISPRSDataset', data_root='data/vaihingen'))
val_dataloader = train_dataloader
test_dataloader = val_dataloader
val_evaluator = dict(exclude=('clutter',))
test_evaluator = val_evaluator
