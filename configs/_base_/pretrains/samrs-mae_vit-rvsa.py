# Masked autoencoder on clips of SAMRS: by configs/mae/mae_vit_samrs.py, or the authors' own
samrs_mae_vit_rvsa = dict(
    path='pretrain/samrs-mae_vit-rvsa.pth',
    file='checkpoint-1599.pth',
    url='https://github.com/ViTAE-Transformer/SAMRS (or configs/mae/README.md: train it)',
    keys=['patch_embed.proj.weight', 'blocks.0.attn.qkv.weight', 'blocks.11.mlp.fc2.weight'],
)
