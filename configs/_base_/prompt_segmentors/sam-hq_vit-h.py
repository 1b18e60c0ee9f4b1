model = dict(
    type='HQSAMSegmentor',
    arch='vit_h',
    checkpoint='checkpoints/sam_hq_vit_h.pth',
    hq_token_only=False,
    chunk=20,
    images_per_pass=1,
    precision='fp32',
    kernels='exact',
)
