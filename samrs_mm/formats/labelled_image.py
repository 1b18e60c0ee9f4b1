"""An image of a segmentation dataset, by its files."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class LabelledImage:
    """An image file and its label map; its masks, where known, are in a record beside them.

    Args:
        stem: Name of the label without suffix; unique in the dataset.
        image: File.
        label: File.
        scene: What the image was cut from; images of one scene may overlap.
        split: Split of the detection dataset it comes from; empty where unknown.
        labelled: Number of label pixels that aren't 255; None where unknown.
    """

    stem: str
    image: str
    label: str
    scene: str
    split: str = ''
    labelled: int | None = None
