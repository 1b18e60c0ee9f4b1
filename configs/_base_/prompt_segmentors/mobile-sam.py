model = dict(
    type='MobileSAMSegmentor',
    arch='vit_t',
    checkpoint='checkpoints/mobile_sam.pt',
    chunk=20,
    images_per_pass=1,
    precision='fp32',
    kernels='exact',
)
