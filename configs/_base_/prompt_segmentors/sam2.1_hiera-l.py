model = dict(
    type='SAM2Segmentor',
    arch='sam2.1_hiera_large',
    checkpoint='checkpoints/sam2.1_hiera_large.pt',
    dynamic_multimask=True,
    chunk=20,
    images_per_pass=1,
    precision='fp32',
    kernels='exact',
)
