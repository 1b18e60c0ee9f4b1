# LoveDA, seven classes: images of 1024 px. Labels begin at 1, 0 is no data; the test images have
# none.
_base_ = './converted.py'
num_classes = 7
train_dataloader = dict(dataset=dict(type='LoveDADataset', data_root='data/loveDA'))
val_dataloader = dict(batch_size=4, **train_dataloader)
test_dataloader = val_dataloader
val_evaluator = dict(classwise=('IoU',))
test_evaluator = val_evaluator
