"""In which ways a segmentor of the SAM family can compute."""

import torch

PRECISIONS = dict(fp32=torch.float32, fp16=torch.float16, bf16=torch.bfloat16)
"""Types of the image encoder's products."""

KERNELS = ('exact', 'fast')

OVERFLOW = 'beyond the range of fp16; encoded in fp32'
"""What the record of an image says that ``precision='fp16'`` can't encode."""
