"""Does a checkpoint belong to a model? mmengine loads what fits and passes over the rest."""

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from torch import nn

from samrs_mm.compat import safe_load
from samrs_mm.core.errors import RefusedError
from samrs_mm.engine.class_match import Classes, trained_classes
from samrs_mm.engine.hooks.class_check_hook import network_of
from samrs_mm.engine.run_config import sep_cure, state_of

_SHOWN = 3
# Each task has its own: heads and detectors of sources, and mmsegmentation's last layers
_CLASSIFIER = re.compile(
    r'(heads|side_heads|detectors|(auxiliary|decode)_head\.(\d+\.)?(conv_seg|cls_embed))\.'
)
_AUXILIARY = 'auxiliary_head.'


Shapes = dict[str, tuple[int, ...]]


@dataclass(frozen=True)
class Checkpoint:
    """What is in a checkpoint, but for the weights themselves.

    Args:
        shapes: Of the weights, by name.
        meta: Where it comes from, as its writer says.
        parts: Names of what it holds, such as ``optimizer``.
        classes: Those that it was trained on, if it says.
    """

    shapes: Shapes
    meta: Mapping[str, Any]
    parts: frozenset[str]
    classes: Classes

    @property
    def origin(self) -> str:
        """In words: the training and the iteration, or the file it was converted from."""
        meta = self.meta
        if 'converted_from' in meta:
            return f'converted from {meta["converted_from"]}'
        name = meta.get('config') or meta.get('experiment_name')
        if name is None or 'iter' not in meta:
            return 'of unknown origin'
        best = ' (best)' * (meta.get('weights') == 'best')
        where = f' in {meta["work_dir"]}' if 'work_dir' in meta else ''
        return f'iteration {meta["iter"]}{best} of {name}{where}'


def weight_shapes(path: str) -> Shapes:
    """Return the shapes of a checkpoint's weights by name; see ``read_checkpoint``."""
    return read_checkpoint(path).shapes


def read_checkpoint(path: str) -> Checkpoint:
    """Read what is in a checkpoint.

    Within ``strict_loading`` the file isn't read again when the weights are loaded.

    Raises:
        RefusedError: No such file, or not a checkpoint. Of weights that pre-training writes, it
            says how to come by them.
    """
    try:
        content = safe_load(path, keep=True)
    except OSError as error:
        raise RefusedError(f'checkpoint {path}: {error.strerror}{sep_cure(path)}') from error
    except ValueError as error:
        raise RefusedError(f'checkpoint {error}') from error
    whole = content if isinstance(content, Mapping) else {}
    meta = whole.get('meta')
    meta = meta if isinstance(meta, Mapping) else {}
    parts = frozenset(key for key in whole if isinstance(key, str))
    classes = trained_classes(content)
    return Checkpoint(_shapes(state_of(content)), meta, parts, classes)


def check_match(
    model: nn.Module, found: Shapes, path: str, whole: bool, resume: bool = False
) -> str:
    """Compare a checkpoint with a model by the names and shapes of weights.

    A module that interpolates weights when they are loaded says so by a method
    ``resizes_on_load(name, shape)``, such as ``ViT``'s; these count as matching.

    Args:
        model: Built model, wrapped or not.
        found: The ``weight_shapes`` of the checkpoint at ``path``.
        path: For the message.
        whole: Every weight must be there and fit, as to test or to resume; otherwise all but the
            classifiers, as to start on other classes: backbone and trunk have to be taken over
            in full, and auxiliary heads where both have some. To begin with a backbone alone is
            what its ``init_cfg`` is for.
        resume: No weight may be interpolated: the optimizer's state would not fit.

    Returns:
        A line on what is taken over, resized, new and not used.

    Raises:
        RefusedError: It is of another architecture.
    """
    model = network_of(model)
    wanted = _shapes(model.state_dict())
    unlike = [name for name, shape in wanted.items() if found.get(name, shape) != shape]
    resized = [name for name in unlike if not resume and _resizes(model, name, found[name])]
    wrong = {
        'missing': [name for name in wanted if name not in found],
        'of another shape': [name for name in unlike if name not in resized],
        'not of this model': [name for name in found if name not in wanted],
    }
    lone = _has_auxiliary(wanted) != _has_auxiliary(found)

    def is_new(name: str) -> bool:
        return bool(_CLASSIFIER.match(name)) or (lone and name.startswith(_AUXILIARY))

    faults: list[str] = []
    faulty: list[str] = []
    for what, names in wrong.items():
        names = [name for name in names if whole or not is_new(name)]
        faulty += names
        if names:
            faults.append(f'{len(names)} {what} ({_some(names, found, wanted)})')
    new, unused = wrong['missing'] + wrong['of another shape'], wrong['not of this model']
    matched = f'{len(wanted) - len(new)} of {len(wanted)} weights match'
    if faults:
        raise RefusedError(
            f'checkpoint {path}: {matched}; {"; ".join(faults)}; it is of another architecture '
            'than the config' + ('' if whole else _cure(faulty))
        )
    kept = [name for name in wanted if not is_new(name)]
    parts = [f'{path}: {matched}' + ('' if whole else f' ({_by_part(kept)})')]
    if resized:
        parts.append(f'{len(resized)} resized ({_some(resized, found, wanted)})')
    parts += [
        f'{what}: {", ".join(sorted({name.rpartition(".")[0] for name in names}))}'
        for what, names in (('new', new), ('not used', unused))
        if names
    ]
    return '; '.join(parts)


def class_layer_note(
    model: nn.Module, begun: Checkpoint, path: str, classes: Classes
) -> str | None:
    """Return a warning if weights to begin with are of other classes than the data, else None.

    Layers of classes that the model doesn't have, as the heads of pre-training, are no surprise.

    Args:
        model: Built model, wrapped or not.
        begun: The checkpoint at ``path``, that the run begins with and doesn't resume.
        path: For the message.
        classes: Of the data to train on.
    """
    wanted = _shapes(network_of(model).state_dict())
    both = [name for name in wanted if name in begun.shapes and _CLASSIFIER.match(name)]
    unlike = [name for name in both if wanted[name] != begun.shapes[name]]
    if unlike:
        outputs = begun.shapes[unlike[0]][0], wanted[unlike[0]][0]
        layers = ', '.join(sorted({name.rpartition('.')[0] for name in unlike}))
        return (
            f'{path}: its layer of classes, {layers}, has {outputs[0]} outputs, that of the config '
            f'{outputs[1]}: it is dropped and begins with random weights; all else is taken over'
        )
    for source, names in classes.items() if both else ():
        pairs = zip(begun.classes.get(source, ()), names, strict=False)
        for value, (learnt, now) in enumerate(pairs):
            if learnt != now:
                of = f' of source {source}' if source else ''
                return (
                    f'{path}: class {value}{of} was {learnt!r} there, in the data it is {now!r}: '
                    'its layer of classes is taken over as it is, and has to learn the new ones'
                )
    return None


def _resizes(model: nn.Module, name: str, shape: tuple[int, ...]) -> bool:
    owner, _, weight = name.rpartition('.')
    resizes = getattr(model.get_submodule(owner), 'resizes_on_load', None)
    return resizes is not None and resizes(weight, shape)


def _cure(faulty: Sequence[str]) -> str:
    if all(name.startswith(_AUXILIARY) for name in faulty):
        return '; without auxiliary_head in the config, those of the checkpoint are left out'
    return '; for its backbone alone see docs/finetune.md, "What is loaded"'


def _has_auxiliary(weights: Shapes) -> bool:
    return any(name.startswith(_AUXILIARY) for name in weights)


def _by_part(kept: Sequence[str]) -> str:
    """Count the weights of backbone and trunk, or of whatever a model consists of."""
    parts = Counter(name.partition('.')[0] for name in kept)
    titles = dict(decode_head='trunk')
    return ', '.join(f'{titles.get(part, part)} {n} of {n}' for part, n in parts.items())


def _shapes(state: Mapping[str, Any]) -> Shapes:
    # Wrappers put `module.` before every name.
    return {
        name.removeprefix('module.'): tuple(value.shape)
        for name, value in state.items()
        if hasattr(value, 'shape')
    }


def _some(names: Sequence[str], found: Shapes, wanted: Shapes) -> str:
    shown = [
        f'{name} {found[name]} instead of {wanted[name]}'
        if name in found and name in wanted
        else name
        for name in names[:_SHOWN]
    ]
    return ', '.join(shown) + (', ...' if len(names) > _SHOWN else '')
