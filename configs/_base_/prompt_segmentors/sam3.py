model = dict(
    type='SAM3Segmentor',
    arch='sam3',
    checkpoint='checkpoints/sam3.pt',
    dynamic_multimask=True,
    chunk=20,
    images_per_pass=1,
    precision='fp32',
    kernels='exact',
)
