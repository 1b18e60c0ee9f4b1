"""Whole models of the SAMRS authors, pre-trained (three heads) or fine-tuned, and back.

Theirs are ``encoder.*``, ``decoder.*``, ``semseghead_{1,2,3}.*`` or ``semseghead.*``. The paper's
order of the heads is SOTA, SIOR, FAST.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

from samrs_mm.models.conversion.rules import Rule

SOURCES = ('sota', 'sior', 'fast')


@dataclass(frozen=True)
class Decoder:
    """A decode head, whose file in ``configs/_base_/decoders`` has the name of its key.

    Args:
        mark: Regular expression of a name in the trunk that it alone has.
        theirs: Where the authors' head has its classifier.
        ours: Where ours has it.
    """

    mark: str
    theirs: str
    ours: str


DECODERS = {
    'unet': Decoder(r'blocks\.0\.conv1\.0\.weight', '0', 'conv_seg'),
    'upernet': Decoder(r'fpn_bottleneck\.conv\.weight', '1', 'conv_seg'),
    'mask2former': Decoder(r'pixel_decoder\.mask_feature\.weight', 'cls_embed', 'cls_embed'),
}


def whole_rules(backbone: Sequence[Rule], decoder: Decoder, back: bool = False) -> tuple[Rule, ...]:
    """Return the rules from the authors' names of a whole model to ours.

    Args:
        backbone: Those of its backbone, without prefix, in the same direction.
        decoder: Its decode head.
        back: Return those from ours to theirs instead.
    """
    parameters = '(weight|bias)'
    names = [
        ('encoder', 'backbone', '(.+)'),
        *(
            (f'semseghead_{number}.{decoder.theirs}', f'heads.{source}', parameters)
            for number, source in enumerate(SOURCES, 1)
        ),
        (f'semseghead.{decoder.theirs}', f'decode_head.{decoder.ours}', parameters),
        ('decoder', 'decode_head', '(.+)'),
    ]
    pairs = [((ours, theirs) if back else (theirs, ours), rest) for theirs, ours, rest in names]
    (old, new), _ = pairs[0]
    return (
        *(
            replace(
                rule,
                pattern=rf'{old}\.(?:{rule.pattern})',
                target=rule.target and f'{new}.{rule.target}',
            )
            for rule in backbone
        ),
        *(Rule(rf'{re.escape(before)}\.{rest}', rf'{after}.\1') for (before, after), rest in pairs),
    )
