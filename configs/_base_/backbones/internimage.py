# InternImage-T
backbone = dict(type='InternImage', arch='t', drop_path_rate=0.2)
backbone_channels = [64, 128, 256, 512]
