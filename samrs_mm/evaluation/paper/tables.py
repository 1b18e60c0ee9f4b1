"""What the paper reports for its own models, by the names of our configs.

Source: Wang et al. 2023, arXiv:2305.02034, tables 1, 3 to 6 and 9, as printed; in percent.
"""

from dataclasses import dataclass

from samrs_mm.formats.scenes import isaid, potsdam

POTSDAM_CLASSES, ISAID_CLASSES = potsdam.CLASSES, isaid.CLASSES[1:]
"""Columns of tables 3 and 4, in their order."""


@dataclass(frozen=True)
class PotsdamRow:
    """A row of table 3.

    Args:
        f1: F1 of each of ``POTSDAM_CLASSES``.
        oa: Overall accuracy.
        mf1: Mean F1.
    """

    f1: tuple[float, ...]
    oa: float
    mf1: float


@dataclass(frozen=True)
class ISAIDRow:
    """A row of table 4.

    Args:
        iou: IoU of each of ``ISAID_CLASSES``.
        miou: Their mean.
    """

    iou: tuple[float, ...]
    miou: float


@dataclass(frozen=True)
class SEPRow:
    """A row of table 9: mIoU on the validation images of each subset.

    Args:
        sota: Of SOTA.
        sior: Of SIOR.
        fast: Of FAST.
        average: Mean of the three.
    """

    sota: float
    sior: float
    fast: float
    average: float


def _potsdam(*values: float) -> PotsdamRow:
    return PotsdamRow(values[:5], *values[5:])


def _isaid(*values: float) -> ISAIDRow:
    return ISAIDRow(values[:15], *values[15:])


TABLE_1 = {
    'cp': (16.14, 2.72),
    'hbox': (89.97, 79.40),
    'hbox-m': (40.54, 36.71),
    'cp+hbox': (86.67, 77.35),
    'hbox+hbox-m': (74.21, 62.25),
    'cp+hbox-m': (24.54, 5.41),
    'cp+hbox+hbox-m': (59.71, 49.30),
    'rbox-m': (65.54, 59.78),
    'cp+rbox-m': (26.49, 4.97),
    'rhbox': (88.85, 76.42),
    'rhbox-m': (34.63, 31.81),
    'cp+rhbox': (83.55, 72.67),
    'rhbox+rhbox-m': (66.23, 52.75),
    'cp+rhbox-m': (23.71, 5.10),
    'cp+rhbox+rhbox-m': (49.24, 39.03),
}
"""mIOU_I and mIOU_P of SAM ViT-H by prompt setting, on 124 test images of HRSC2016."""

TABLE_3 = {
    'unet_resnet50_sep_potsdam': _potsdam(90.62, 94.75, 85.12, 83.91, 96.51, 89.70, 90.18),
    'unet_resnet50_imp_potsdam': _potsdam(90.78, 94.78, 85.23, 84.76, 96.81, 89.94, 90.47),
    'unet_resnet50_imp-sep_potsdam': _potsdam(91.36, 94.92, 85.39, 85.24, 97.17, 90.29, 90.82),
    'upernet_resnet50_sep_potsdam': _potsdam(91.02, 94.82, 84.28, 83.97, 96.95, 89.70, 90.21),
    'upernet_resnet50_imp_potsdam': _potsdam(90.70, 94.44, 84.68, 83.94, 96.58, 89.59, 90.07),
    'upernet_resnet50_imp-sep_potsdam': _potsdam(91.38, 95.26, 85.14, 84.88, 97.16, 90.27, 90.76),
    'upernet_swin_imp_potsdam': _potsdam(93.09, 96.74, 86.99, 86.45, 91.12, 91.44, 90.88),
    'upernet_swin_imp-sep_potsdam': _potsdam(93.06, 96.65, 87.07, 86.74, 97.64, 91.88, 92.23),
    'upernet_vitae_imp_potsdam': _potsdam(92.54, 96.54, 86.11, 86.13, 91.31, 91.00, 90.52),
    'upernet_vitae_imp-sep_potsdam': _potsdam(93.45, 96.99, 87.65, 87.00, 97.67, 92.25, 92.55),
    'upernet_internimage_imp_potsdam': _potsdam(93.27, 96.80, 87.41, 86.62, 91.79, 91.65, 91.18),
    'upernet_internimage_imp-sep_potsdam': _potsdam(
        93.30, 96.91, 87.24, 86.80, 97.81, 92.08, 92.41
    ),
    'upernet_vit_imp_potsdam': _potsdam(93.09, 96.83, 86.93, 86.61, 90.93, 91.47, 90.88),
    'upernet_vit_imp-sep_potsdam': _potsdam(92.96, 96.52, 86.62, 86.01, 97.57, 91.60, 91.94),
    'upernet_vit-adapter_imp_potsdam': _potsdam(93.16, 96.77, 87.09, 86.71, 91.20, 91.53, 90.98),
    'upernet_vit-adapter_imp-sep_potsdam': _potsdam(
        93.20, 96.75, 87.06, 86.52, 97.68, 91.91, 92.24
    ),
    'unet_resnet50_rsp_potsdam': _potsdam(91.49, 95.42, 85.70, 85.18, 97.05, 90.49, 90.97),
    'unet_resnet50_rsp-sep_potsdam': _potsdam(92.00, 95.44, 85.76, 85.33, 97.38, 90.72, 91.18),
    'upernet_resnet50_rsp_potsdam': _potsdam(91.08, 94.64, 85.57, 85.38, 96.97, 90.18, 90.73),
    'upernet_resnet50_rsp-sep_potsdam': _potsdam(91.73, 95.52, 85.44, 85.35, 97.24, 90.59, 91.06),
    'upernet_vit_beit_potsdam': _potsdam(88.70, 92.29, 81.48, 78.64, 96.36, 86.86, 87.49),
    'upernet_vit_beit-sep_potsdam': _potsdam(89.95, 93.33, 82.96, 80.91, 96.67, 88.20, 88.76),
    'upernet_vit-rvsa_mae_potsdam': _potsdam(92.67, 96.38, 86.43, 85.89, 90.46, 90.97, 90.37),
    'upernet_vit-rvsa_mae-sep_potsdam': _potsdam(92.69, 96.33, 86.28, 85.60, 97.56, 91.33, 91.69),
    'upernet_vit-rvsa_samrs-mae_potsdam': _potsdam(92.46, 96.10, 86.18, 85.59, 90.35, 90.71, 90.13),
    'upernet_vit-rvsa_samrs-mae-sep_potsdam': _potsdam(
        92.34, 95.88, 86.06, 85.32, 97.54, 91.01, 91.43
    ),
    'mask2former_resnet50_imp_potsdam': _potsdam(88.40, 92.93, 83.05, 83.98, 86.00, 87.54, 86.87),
    'mask2former_resnet50_imp-sep_potsdam': _potsdam(
        72.41, 78.98, 63.14, 61.62, 73.16, 70.14, 69.86
    ),
}

TABLE_4 = {
    'unet_resnet50_imp_isaid': _isaid(
        50.11, 48.50, 31.52, 74.30, 15.38, 14.99, 8.83, 51.59, 34.71, 0.07, 39.03, 7.88, 39.33,
        73.12, 47.71, 35.80,
    ),
    'unet_resnet50_imp-sep_isaid': _isaid(
        62.01, 62.58, 66.26, 85.84, 51.65, 37.77, 31.99, 61.03, 45.57, 3.14, 45.61, 56.29, 64.40,
        81.58, 54.22, 54.00,
    ),
    'unet_resnet50_rsp_isaid': _isaid(
        53.00, 53.53, 62.99, 78.25, 34.48, 36.92, 24.83, 54.95, 34.22, 2.11, 40.36, 42.18, 50.37,
        77.82, 48.81, 46.32,
    ),
    'unet_resnet50_rsp-sep_isaid': _isaid(
        46.83, 28.82, 26.58, 67.30, 13.83, 17.79, 3.97, 48.37, 28.30, 0.00, 35.30, 0.00, 28.74,
        67.62, 43.29, 30.45,
    ),
    'upernet_resnet50_imp_isaid': _isaid(
        69.81, 71.08, 75.99, 87.73, 58.11, 61.96, 40.06, 63.84, 48.54, 27.02, 48.59, 70.19, 76.15,
        82.94, 56.05, 62.54,
    ),
    'upernet_resnet50_imp-sep_isaid': _isaid(
        66.37, 65.80, 70.24, 86.60, 54.35, 47.23, 31.71, 63.46, 46.25, 22.26, 48.01, 61.29, 72.28,
        81.22, 54.44, 58.10,
    ),
    'upernet_resnet50_rsp_isaid': _isaid(
        46.76, 13.21, 35.21, 56.86, 13.89, 22.78, 3.91, 47.44, 24.10, 0.32, 40.26, 27.55, 48.42,
        68.92, 44.88, 32.97,
    ),
    'upernet_resnet50_rsp-sep_isaid': _isaid(
        66.62, 65.37, 72.49, 86.88, 57.18, 50.20, 37.71, 63.29, 47.41, 22.96, 45.36, 65.98, 74.91,
        77.97, 54.53, 59.26,
    ),
    'upernet_swin_imp_isaid': _isaid(
        71.26, 73.97, 77.54, 87.33, 56.42, 61.53, 42.36, 65.89, 49.74, 38.30, 47.82, 66.08, 76.22,
        84.72, 57.39, 63.77,
    ),
    'upernet_swin_imp-sep_isaid': _isaid(
        73.37, 74.19, 76.63, 87.63, 56.40, 61.44, 42.42, 65.98, 50.92, 38.82, 49.16, 69.70, 75.05,
        84.83, 57.27, 64.25,
    ),
    'upernet_vitae_imp_isaid': _isaid(
        73.31, 76.22, 75.12, 89.65, 62.72, 65.71, 42.94, 67.09, 52.01, 39.56, 48.07, 71.38, 79.04,
        85.64, 58.47, 65.79,
    ),
    'upernet_vitae_imp-sep_isaid': _isaid(
        75.95, 75.48, 75.38, 89.56, 63.79, 64.85, 45.62, 68.49, 53.27, 37.56, 49.49, 69.84, 79.22,
        85.85, 59.58, 66.26,
    ),
    'upernet_internimage_imp_isaid': _isaid(
        74.56, 73.71, 79.04, 88.04, 65.11, 64.90, 38.35, 65.53, 51.16, 39.00, 48.79, 66.35, 76.13,
        85.39, 59.25, 65.02,
    ),
    'upernet_internimage_imp-sep_isaid': _isaid(
        75.12, 73.67, 79.34, 88.58, 62.39, 65.37, 42.54, 67.35, 52.91, 42.09, 48.21, 69.94, 79.33,
        86.09, 57.88, 66.05,
    ),
}  # fmt: skip


def _few_samples(dataset: str, rows: dict[str, tuple[float, ...]]) -> dict[str, float]:
    return {
        f'unet_resnet50_{pretrain}_{dataset}-{percent}pct': value
        for pretrain, values in rows.items()
        for percent, value in zip((5, 3, 1), values, strict=True)
    }


TABLE_5 = _few_samples(
    'potsdam',
    {
        'imp': (80.45, 75.03, 65.72),
        'imp-sep': (81.80, 77.97, 69.70),
        'rsp': (80.34, 75.35, 62.86),
        'rsp-sep': (81.69, 77.40, 68.35),
    },
)
"""Mean F1 on Potsdam after fine-tuning with few tiles."""

TABLE_6 = _few_samples(
    'isaid',
    {
        'imp': (5.33, 5.19, 1.33),
        'imp-sep': (18.74, 12.98, 7.04),
        'rsp': (4.68, 3.67, 2.50),
        'rsp-sep': (22.47, 13.88, 8.84),
    },
)
"""Mean IoU on iSAID after fine-tuning with few tiles."""

TABLE_9 = {
    'unet_resnet50_scratch': SEPRow(55.88, 71.44, 35.35, 54.23),
    'unet_resnet50': SEPRow(58.62, 80.49, 37.20, 58.77),
    'unet_resnet50_rsp': SEPRow(62.43, 85.37, 38.41, 62.07),
    'upernet_resnet50_scratch': SEPRow(64.79, 82.74, 39.32, 62.28),
    'upernet_resnet50': SEPRow(73.59, 88.59, 47.10, 69.76),
    'upernet_resnet50_rsp': SEPRow(76.03, 90.66, 47.62, 71.44),
    'upernet_swin': SEPRow(81.53, 94.64, 57.91, 78.03),
    'upernet_vitae': SEPRow(81.13, 94.06, 57.90, 77.70),
    'upernet_internimage': SEPRow(58.07, 72.04, 29.33, 53.15),
    'upernet_vit': SEPRow(79.37, 92.76, 53.05, 75.06),
    'upernet_vit-adapter': SEPRow(80.41, 93.76, 51.13, 75.10),
    'upernet_vit_beit': SEPRow(74.10, 85.81, 42.04, 67.31),
    'upernet_vit-rvsa_mae': SEPRow(79.00, 92.09, 53.46, 74.85),
    'upernet_vit-rvsa_samrs-mae': SEPRow(77.64, 91.87, 54.78, 74.67),
}
INTERNIMAGE_AT_224 = SEPRow(78.06, 92.51, 45.70, 72.09)
"""Table 9's second row of ``upernet_internimage``: images resized to 224 px."""

MISPRINTS = {'upernet_vit-rvsa_samrs-mae': 'table 9: average 74.67, its columns give 74.76'}
"""Rows of tables 3, 4 and 9 whose printed mean isn't the mean of their printed columns."""
