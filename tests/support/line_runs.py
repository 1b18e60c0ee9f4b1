"""A network of one weight, and runs of mmengine's Runner on it."""

import torch
from mmengine.evaluator import BaseMetric, Evaluator
from mmengine.model import BaseModel
from mmengine.runner import Runner

import samrs_mm.engine.hooks  # noqa: F401  (registers)


class Line(BaseModel):
    """The loss is the mean of the inputs times the weight."""

    def __init__(self):
        super().__init__()
        self.w = torch.nn.Parameter(torch.ones(1))
        self.b = torch.nn.Parameter(torch.zeros(1))

    def forward(self, inputs, mode='tensor'):
        return dict(loss=(self.w * inputs + self.b).mean())


class ValidatedLine(Line):
    """Its validations go through the data and find nothing."""

    def val_step(self, data):
        return ['nothing']


class NoScores(BaseMetric):
    """The scores of such a validation."""

    def process(self, data_batch, data_samples):
        pass

    def compute_metrics(self, results):
        return {}

    def evaluate(self, size):
        return {}


def validation(batches=3, interval=4):
    """Return what ``runner_of`` takes for validations after every ``interval`` iterations."""
    loader = dict(dataset=[torch.zeros(1)] * batches, sampler=dict(type='DefaultSampler'))
    return dict(model=ValidatedLine(), val_interval=interval, val_dataloader=loader, val_cfg={},
                val_evaluator=Evaluator([NoScores()]))  # fmt: skip


def runner_of(folder, iterations, data=(1.0,), rate=0.01, schedule=None, **options):
    """Return a run of one value an iteration, with a checkpoint after every second."""
    values = [torch.tensor([float(value)]) for value in data] * 10  # a second pass waits 2 s
    runner_of.number = getattr(runner_of, 'number', 0) + 1
    optimizer = options.pop('optimizer', dict(type='SGD', lr=rate))
    return Runner(
        model=options.pop('model', None) or Line(),
        work_dir=str(folder),
        train_dataloader=dict(
            dataset=values, batch_size=1, sampler=dict(type='DefaultSampler', shuffle=False)
        ),
        train_cfg=dict(
            by_epoch=False, max_iters=iterations, val_interval=options.pop('val_interval', 1000)
        ),
        optim_wrapper=dict(optimizer=optimizer, **options.pop('wrapper', {})),
        param_scheduler=schedule,
        default_hooks=dict(
            checkpoint=dict(type='CheckpointHook', by_epoch=False, interval=2, max_keep_ckpts=2)
        ),
        custom_hooks=[
            *options.pop('own_hooks', ()),
            *(dict(type=f'mmseg.{name}') for name in options.pop('hooks')),
        ],
        experiment_name=f'line{runner_of.number}',
        log_level='WARNING',
        cfg=dict(param_scheduler=schedule),
        **options,
    )
