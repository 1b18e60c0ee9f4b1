"""Whole models of the SAMRS authors, pre-trained (three heads) or fine-tuned, and back.

Theirs are ``encoder.*``, ``decoder.*``, ``semseghead_{1,2,3}.*`` or ``semseghead.*``. The paper's
order of the heads is SOTA, SIOR, FAST.
"""

from collections.abc import Iterable, Sequence
from dataclasses import replace

from samrs_mm.models.conversion.conversion import Rule

SOURCES = ('sota', 'sior', 'fast')
# decoder: (where the authors' head has its classifier, where ours has it)
CLASSIFIERS = {
    'unet': ('0', 'conv_seg'),
    'upernet': ('1', 'conv_seg'),
    'mask2former': ('cls_embed', 'cls_embed'),
}


def to_ours(backbone: Sequence[Rule], decoder: str) -> tuple[Rule, ...]:
    """Return the rules from the authors' names to ours.

    Args:
        backbone: Those of its backbone, without prefix.
        decoder: Key in `CLASSIFIERS`.
    """
    theirs, ours = CLASSIFIERS[decoder]
    return (
        *_within('encoder.', 'backbone.', backbone),
        Rule(r'encoder\.(.+)', r'backbone.\1'),
        Rule(r'decoder\.(.+)', r'decode_head.\1'),
        *(
            Rule(rf'semseghead_{number}\.{theirs}\.(weight|bias)', rf'heads.{source}.\1')
            for number, source in enumerate(SOURCES, 1)
        ),
        Rule(rf'semseghead\.{theirs}\.(weight|bias)', rf'decode_head.{ours}.\1'),
    )


def to_authors(backbone: Sequence[Rule], decoder: str) -> tuple[Rule, ...]:
    """Return the rules back; arguments as for ``to_ours``."""
    theirs, ours = CLASSIFIERS[decoder]
    return (
        *_within('backbone.', 'encoder.', backbone),
        Rule(r'backbone\.(.+)', r'encoder.\1'),
        Rule(rf'decode_head\.{ours}\.(weight|bias)', rf'semseghead.{theirs}.\1'),
        Rule(r'decode_head\.(.+)', r'decoder.\1'),
        *(
            Rule(rf'heads\.{source}\.(weight|bias)', rf'semseghead_{number}.{theirs}.\1')
            for number, source in enumerate(SOURCES, 1)
        ),
    )


def _within(old: str, new: str, rules: Iterable[Rule]) -> list[Rule]:
    """Return rules for names with a prefix, which becomes another."""
    return [
        replace(
            rule,
            pattern=f'{old[:-1]}\\.(?:{rule.pattern})',
            target=rule.target and new + rule.target,
        )
        for rule in rules
    ]
