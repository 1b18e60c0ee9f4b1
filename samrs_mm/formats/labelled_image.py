"""An image of a segmentation dataset, by its files."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class LabelledImage:
    """An image file and its label map; its masks, where known, are in a record beside them."""

    stem: str
    """Name of the label without suffix; unique in the dataset."""
    image: str
    label: str
    scene: str
    """What the image was cut from; images of one scene may overlap."""
    split: str = ''
    """Split of the detection dataset it comes from; empty where unknown."""
    labelled: int | None = None
    """Number of label pixels that aren't 255; None where unknown."""
