"""mmsegmentation's visualizer for samples of several sources."""

from typing import Any

import numpy as np
from mmseg.registry import VISUALIZERS
from mmseg.structures import SegDataSample
from mmseg.visualization import SegLocalVisualizer


@VISUALIZERS.register_module()
class SourceVisualizer(SegLocalVisualizer):
    """``SegLocalVisualizer`` that draws a sample in the classes and colours of its source.

    A dataset's metainfo without ``sources``, or a sample without ``source``, is drawn as there. A
    config need not name it, as ``SegLocalVisualizer`` has to be for mmseg's ``browse_dataset.py``.
    """

    dataset_meta: dict[str, Any]

    @classmethod
    def get_instance(cls, name: str = 'visualizer', **kwargs: Any) -> 'SourceVisualizer':
        """Return the visualizer of a name, which mmseg's hooks find as the newest, too."""
        instance = super().get_instance(name, **kwargs)
        SegLocalVisualizer._instance_dict[name] = instance
        return instance

    def add_datasample(
        self, name: str, image: np.ndarray, data_sample: SegDataSample | None = None, **kwargs: Any
    ) -> None:
        """Draw a sample, ``image`` ``(H, W, 3)`` uint8 RGB, as ``SegLocalVisualizer`` does."""
        whole = self.dataset_meta
        source = None if data_sample is None else data_sample.get('source')
        self.dataset_meta = whole.get('sources', {}).get(source, whole)
        try:
            # OpenCV can't draw on the layout of the images that browse_dataset.py passes
            super().add_datasample(name, np.ascontiguousarray(image), data_sample, **kwargs)
        finally:
            self.dataset_meta = whole
