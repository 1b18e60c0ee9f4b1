"""How a config's network is shown images of files."""

from typing import TYPE_CHECKING, Any

from samrs_mm.core.image_rule import ImageRule

if TYPE_CHECKING:
    from mmengine.config import Config

_LOADERS = ('LoadWindow', 'LoadImageFromFile')


def test_steps(config: 'Config') -> list[dict[str, Any]]:
    """Return the test pipeline of a config; nothing where it has none."""
    dataset = (config.get('test_dataloader') or {}).get('dataset') or {}
    while dataset.get('dataset') and not dataset.get('pipeline'):
        dataset = dataset['dataset']
    steps = dataset.get('pipeline') or config.get('test_pipeline') or ()
    return [step for step in steps if isinstance(step, dict)]


def image_rule(config: 'Config') -> ImageRule | None:
    """Return how files are shown, as the test pipeline says it; see ``LoadWindow``."""
    said = [
        step['image']
        for step in test_steps(config)
        if step.get('type') in _LOADERS and step.get('image')
    ]
    return ImageRule.from_config(said[0]) if said else None
