# Masked autoencoder on MillionAID, 1600 epochs (arXiv:2208.03987); what predicts the windows is new
mae_vit_rvsa = dict(
    path='pretrain/mae_vit-rvsa.pth',
    file='vit-b-checkpoint-1599.pth',
    url='https://github.com/ViTAE-Transformer/Remote-Sensing-RVSA',
    keys=['patch_embed.proj.weight', 'blocks.0.attn.qkv.weight', 'blocks.11.mlp.fc2.weight'],
)
