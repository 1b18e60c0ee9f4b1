"""An image of a segmentation dataset, by its files."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class LabelledImage:
    """An image and its label map; its masks, where they are known, are in a record beside them.

    Args:
        stem: Name of the label without suffix; unique in the dataset.
        image: Image file.
        label: Label file.
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
