import pytest
import torch

transformers = pytest.importorskip('transformers', reason='transformers is not installed')


def test_the_decoder_of_hq_sam_in_transformers_still_scales_up_what_it_did_not_transform():
    """When this fails, transformers has mended it: then HQ-SAM could be taken from there, too.

    What its two-way transformer makes of the image is thrown away; rows and columns are swapped.
    """
    from transformers.models.sam_hq.modeling_sam_hq import SamHQMaskDecoder

    config = transformers.SamHQMaskDecoderConfig()
    config._attn_implementation = 'eager'
    seen = []
    with torch.random.fork_rng(devices=[]), torch.no_grad():
        torch.manual_seed(0)
        decoder = SamHQMaskDecoder(config).eval()
        decoder.transformer.register_forward_hook(lambda _, __, made: seen.append(made[1]))
        decoder.upscale_conv1.register_forward_pre_hook(lambda _, given: seen.append(given[0]))
        image, positions = torch.randn(2, 1, 256, 4, 4)
        decoder(
            image_embeddings=image,
            image_positional_embeddings=positions,
            sparse_prompt_embeddings=torch.randn(1, 1, 2, 256),
            dense_prompt_embeddings=torch.zeros(1, 256, 4, 4),
            multimask_output=False,
            hq_token_only=False,
            intermediate_embeddings=None,
        )
    transformed, scaled_up = seen
    assert torch.equal(scaled_up, image.transpose(2, 3))
    rows = transformed.reshape(1, 16, 256).transpose(1, 2).reshape(1, 256, 4, 4)
    assert (scaled_up - rows).abs().max() > 0.1
