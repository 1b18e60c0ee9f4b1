"""How good masks and predictions are, and the numbers of the paper."""

from samrs_mm.evaluation.mask_iou import FolderScore, MaskIoU, score_folder

__all__ = ['FolderScore', 'MaskIoU', 'score_folder']
