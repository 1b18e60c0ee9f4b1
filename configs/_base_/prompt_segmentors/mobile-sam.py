model = dict(
    type='MobileSAMSegmentor',
    arch='vit_t',
    checkpoint='checkpoints/mobile_sam.pt',
    chunk=20,
    images_per_pass=1,
    amp=False,
)
