import numpy as np
import pytest
import torch
from sam_cases import SMALL, loaded, prompts_of, results, scene

from samrs_mm.core.errors import RefusedError
from samrs_mm.models.prompt_segmentors.precision import OVERFLOW
from samrs_mm.models.prompt_segmentors.sam import SAMSegmentor
from samrs_mm.registry import PROMPT_SEGMENTORS, build

pytest.importorskip('segment_anything', reason='segment_anything is not installed')


@pytest.mark.parametrize('kernels', ['exact', 'fast'])
@pytest.mark.parametrize(('precision', 'bound'), [('fp16', 5e-3), ('bf16', 5e-2)])
def test_a_reduced_precision_is_close_but_not_the_same(precision, bound, kernels):
    image, polygons = scene(256, 256)
    prompts = prompts_of('hbox', polygons, 256, 256)
    exact, reduced = loaded(), loaded(precision=precision, kernels=kernels)
    expected = exact.encode([image])[0].features[0]
    features = reduced.settled(reduced.encode([image])[0]).features[0]
    assert features.dtype == torch.float32
    difference = ((features - expected).norm() / expected.norm()).item()
    assert 1e-5 < difference < bound
    masks = results(reduced, image, prompts)[0]
    assert (results(exact, image, prompts)[0] == masks).mean() > 0.97
    notes = {note for c in reduced.decode(reduced.encode([image])[0], prompts) for note in c.notes}
    assert not notes


def overflowing(**options):
    """A SAM whose first block is beyond fp16 for bright images."""
    segmentor = loaded(**options)
    segmentor.model.image_encoder.blocks[0].mlp.lin1.weight.mul_(1e5)
    return segmentor


def test_what_fp16_can_not_hold_is_encoded_in_fp32_and_noted():
    image, polygons = scene(64, 64)
    prompts = prompts_of('hbox', polygons, 64, 64)
    fp16, fp32 = overflowing(precision='fp16', images_per_pass=2), overflowing()
    encoded = fp16.encode([image, image])
    assert not encoded[1].features[0].isfinite().all()
    chunks = list(fp16.decode(encoded[1], prompts))
    assert [chunk.notes for chunk in chunks] == [(OVERFLOW,)] * len(chunks)
    for one, other in zip(
        results(fp32, image, prompts), results(fp16, image, prompts), strict=True
    ):
        np.testing.assert_array_equal(one, other)
    tensors = fp16.to_tensors(encoded[0])
    assert torch.equal(tensors['image'], fp32.encode([image])[0].features[0])


def test_an_image_is_encoded_again_once_for_all_its_prompts(monkeypatch):
    image, polygons = scene(64, 64)
    segmentor = overflowing(precision='fp16')
    encoded = segmentor.encode([image])[0]
    embed, precisions = segmentor._embedded, []
    monkeypatch.setattr(
        segmentor, '_embedded', lambda batch, name: precisions.append(name) or embed(batch, name)
    )
    for name in ('hbox', 'cp', 'hbox-m'):
        list(segmentor.decode(encoded, prompts_of(name, polygons, 64, 64)))
    assert precisions == ['fp32']


@pytest.fixture
def graphs(monkeypatch):
    """What ``torch.compile`` traces, each of which its own back end would take a minute for."""
    found = []
    compiler = torch.compile

    def trace(graph, _):
        found.append(graph)
        return graph.forward

    def compiled(call, **options):
        return compiler(call, **options | dict(backend=trace, fullgraph=True))

    monkeypatch.setattr(torch, 'compile', compiled)
    torch.compiler.reset()
    yield found
    torch.compiler.reset()


@pytest.mark.parametrize('kernels', ['exact', 'fast'])
def test_two_kinds_of_blocks_are_compiled_once(kernels, graphs):
    arch = SMALL | dict(depth=6, global_attn_indexes=[2, 5])
    image, _ = scene(64, 64)
    plain = loaded(kernels=kernels, arch=arch)
    segmentor = loaded(kernels=kernels, arch=arch, compile=True)
    for _ in range(2):
        features = segmentor.encode([image])[0].features[0]
        assert len(graphs) == 2
    torch.testing.assert_close(features, plain.encode([image])[0].features[0], atol=1e-5, rtol=0)
    assert segmentor.model.state_dict().keys() == plain.model.state_dict().keys()


def test_the_fast_decoder_is_compiled_for_any_number_of_prompts(graphs):
    image, polygons = scene(64, 64, count=9)
    plain, compiled = loaded(kernels='fast'), loaded(kernels='fast', compile=True)
    code = plain.encode([image])[0]
    prompts = prompts_of('hbox', polygons, 64, 64)
    for count in (9, 4, 2, 7):
        found, expected = (
            each._predict_part(code, prompts[:count], slice(None)) for each in (compiled, plain)
        )
        assert len(graphs) == 2, 'the transformer, and what scales its pixels up'
        torch.testing.assert_close(found, expected, atol=1e-5, rtol=0)


def test_the_fast_encoder_is_one_graph_for_the_compiler():
    """Traced as ``torch.compile`` does; its own back end takes a minute."""
    encoder = loaded(kernels='fast').model.image_encoder
    x = torch.randn(1, 3, 128, 128)
    with torch.no_grad():
        traced = torch.compile(encoder, backend='eager', fullgraph=True)(x)
        torch.testing.assert_close(traced, encoder(x), atol=1e-5, rtol=0)


def test_amp_is_refused_with_what_takes_its_place():
    with pytest.raises(
        RefusedError, match=r"config: model.amp=True: is now model.precision='bf16'"
    ):
        build(PROMPT_SEGMENTORS, dict(type='SAMSegmentor', arch=SMALL, amp=True), 'model')


def test_what_is_unchecked_stands_in_the_settings_of_a_reduced_precision_only():
    assert SAMSegmentor(arch=SMALL, precision='bf16', unchecked=True).settings['unchecked'] is True
    assert 'unchecked' not in SAMSegmentor(arch=SMALL, precision='bf16').settings
    assert 'unchecked' not in SAMSegmentor(arch=SMALL, unchecked=True).settings
    assert [SAMSegmentor(arch=SMALL, precision=p).reduced for p in ('fp32', 'fp16')] == [
        False,
        True,
    ]
