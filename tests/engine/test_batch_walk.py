"""How many of our files a batch of pre-training goes through, from the sampler to the loss."""

import sys
from pathlib import Path

import torch
from mmengine.config import Config
from mmengine.dataset import pseudo_collate
from mmseg.registry import DATA_SAMPLERS, DATASETS, MODELS
from mmseg.utils import register_all_modules
from training_runs import write_run

import samrs_mm

PACKAGE = Path(samrs_mm.__file__).parent
FILES = [
    'datasets/samplers/proportional_multi_source_sampler.py',
    'datasets/segmentation/multi_source.py',
    'datasets/segmentation/seeded.py',
    'datasets/transforms/loading.py',
    'datasets/transforms/pixels.py',
    'core/raster_file.py',
    'core/side_files.py',
    'datasets/transforms/cropping.py',
    'datasets/transforms/instances.py',
    'datasets/transforms/augmentation.py',
    'models/segmentors/multi_head_encoder_decoder.py',
    'models/segmentors/source_rows.py',
    'models/segmentors/source_outputs.py',
    'models/segmentors/source_losses.py',
]


def test_a_batch_visits_these_files(tmp_path):
    register_all_modules(init_default_scope=True)
    config = Config.fromfile(write_run(tmp_path))
    loader = config.train_dataloader
    dataset = DATASETS.build(loader.dataset)
    sampler = DATA_SAMPLERS.build(loader.sampler, default_args=dict(dataset=dataset, seed=0))
    model = MODELS.build(config.model).train()
    model.init_weights()
    visited = []

    def visit(frame, event, _):
        path = Path(frame.f_code.co_filename)
        if event == 'call' and path.is_relative_to(PACKAGE):
            name = str(path.relative_to(PACKAGE))
            if name not in visited:
                visited.append(name)

    sys.setprofile(visit)
    try:
        batch = pseudo_collate([dataset[draw] for draw in sampler.batch(0)])
        losses = model(**model.data_preprocessor(batch, training=True), mode='loss')
        loss, _ = model.parse_losses(losses)
        loss.backward()
    finally:
        sys.setprofile(None)
    assert torch.isfinite(loss)
    assert visited == FILES
