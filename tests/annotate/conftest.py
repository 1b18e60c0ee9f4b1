"""A job on three small scenes, with boxes that are filled."""

from collections.abc import Callable

import pytest
from folders import CONFIG, write_dota

from samrs_mm.annotate.job import AnnotationJob
from samrs_mm.annotate.totals import Totals
from samrs_mm.config_files import load_config


@pytest.fixture
def filled(tmp_path) -> AnnotationJob:
    data = write_dota(tmp_path / 'data', scenes=3)
    flags = dict(data_root=str(data), out=str(tmp_path / 'out'))
    job = AnnotationJob(load_config(CONFIG, {'model.type': 'BoxFillSegmentor'}, flags), 'config.py')
    job.collect_classes()
    job.out.open(job.settings())
    return job


@pytest.fixture
def annotate() -> Callable[..., Totals]:
    """Annotate the first images of a job and write the set-level files."""

    def run(job: AnnotationJob, limit: int | None = None) -> Totals:
        job.annotator(job.settings(), job.plan.shard(0, 1, limit), 0).run()
        return job.finaliser(job.settings()).write()

    return run
