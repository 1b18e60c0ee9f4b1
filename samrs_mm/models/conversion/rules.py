"""What is known of names of weights: rules, and the networks that have them."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from torch import Tensor

State = Mapping[str, Tensor]
"""Weights by name."""
Shapes = Mapping[str, tuple[int, ...]]
"""Shapes of weights by name."""
OWN_INITIALISATION = 'starts from its own initialisation'
CLASSIFIER = 'ImageNet classifier'
UNUSED_BY_AUTHORS = "never used by the authors' model, which has it"
COMPUTED_INDEX = 'an index that the model computes'


@dataclass(frozen=True)
class Rule:
    r"""What becomes of the weights whose whole name a pattern matches.

    Args:
        pattern: Regular expression.
        target: The new name, in which ``\1`` is the pattern's first group; None drops the weight.
        reason: Why it is dropped, or what ``change`` does.
        change: Makes the new tensor from the old one, its name and all weights under the old
            names; None says that the rule of another weight takes this one in.
    """

    pattern: str
    target: str | None = None
    reason: str = ''
    change: Callable[[Tensor, str, State], Tensor | None] | None = None


@dataclass(frozen=True)
class Network:
    """The names of a backbone's weights, in our model and elsewhere.

    Args:
        config: Name of its file in ``configs/_base_/backbones``.
        mark: Regular expression of a name that it alone has.
        options: What its config has beside that file.
        rules: From the authors' and the usual names to ours.
        to_authors: Back, where names differ.
        fresh: Reasons by regular expression of whole names: what files of pre-trained backbones
            lack by their nature.
        dead: By regular expression of names of ours, as templates: what the authors have beside
            such a weight, and nothing uses.
    """

    config: str
    mark: str
    options: Mapping[str, Any] = field(default_factory=dict)
    rules: tuple[Rule, ...] = ()
    to_authors: tuple[Rule, ...] = ()
    fresh: Mapping[str, str] = field(default_factory=dict)
    dead: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
