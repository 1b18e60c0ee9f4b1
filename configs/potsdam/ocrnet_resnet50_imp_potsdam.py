# Potsdam: OCRNet + ResNet-50 from ImageNet weights
_base_ = ['../_base_/finetuning/ocrnet_resnet50_imp.py', '../_base_/datasets/potsdam.py']
fcn, ocr = _base_.decode_head
fcn.update(in_channels=1024, num_classes=_base_.num_classes)
ocr.update(in_channels=2048, num_classes=_base_.num_classes)
model = dict(decode_head=[fcn, ocr], test_cfg=_base_.slide)
