# Masked autoencoder on clips of SAMRS, ViT-B: the weights that ViT-B + RVSA (SAMRS-MAE) starts from
_base_ = [
    '../_base_/datasets/samrs_clips.py',
    '../_base_/schedules/adamw_mae_1600e.py',
    '../_base_/mmpretrain_runtime.py',
    '../_base_/autoencoders/mae_vit.py',
]
