model = dict(
    type='SAMSegmentor',
    arch='vit_h',
    checkpoint='checkpoints/sam_vit_h_4b8939.pth',
    chunk=20,
    images_per_pass=1,
    precision='fp32',
    kernels='exact',
)
