"""Keys of a run's config that nothing takes, and types that nothing registers.

What mmengine builds late ends in a traceback hours into a queue, and some keys it never looks at.
Here every part of a config is compared with what its class takes, before anything is built.
"""

import difflib
import importlib
import inspect
import re
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from importlib.util import find_spec
from typing import Any, NoReturn

from mmengine.config import Config
from torch.utils.data import DataLoader

from samrs_mm.core.errors import RefusedError
from samrs_mm.registry import PROMPT_SEGMENTORS

_LIBRARIES = ('mmcv', 'mmdet', 'mmengine', 'mmpretrain', 'mmseg', 'samrs_mm', 'torch')
_MARKS = {'type', '_scope_', '_delete_', '_base_'}
# Plain dicts that no class takes: what mmengine and mmsegmentation read in them
_PLAIN = {
    'env_cfg': {'cudnn_benchmark', 'mp_cfg', 'dist_cfg', 'resource_limit'},
    'env_cfg.mp_cfg': {'mp_start_method', 'opencv_num_threads'},
    'randomness': {'seed', 'deterministic', 'diff_rank_seed'},
    'auto_scale_lr': {'enable', 'base_batch_size'},
    'optim_wrapper.clip_grad': {
        'type', 'max_norm', 'norm_type', 'error_if_nonfinite', 'foreach', 'clip_value',
    },
    'optim_wrapper.paramwise_cfg': {
        'custom_keys', 'bias_lr_mult', 'bias_decay_mult', 'norm_decay_mult', 'flat_decay_mult',
        'dwconv_decay_mult', 'dcn_offset_lr_mult', 'bypass_duplicate',
    },
}  # fmt: skip
_TEST_CFG = {'mode', 'crop_size', 'stride', 'input_size', 'source', 'threshold'}
# Keys by which a part's entries are built, and their registry; others are looked up as models
_CHILDREN = {
    'datasets': 'DATASETS', 'dataset': 'DATASETS', 'pipeline': 'TRANSFORMS', 'sampler':
    'DATA_SAMPLERS', 'transforms': 'TRANSFORMS', 'init_cfg': 'WEIGHT_INITIALIZERS', 'optimizer':
    'OPTIMIZERS', 'vis_backends': 'VISBACKENDS', 'crop': 'TRANSFORMS',
}  # fmt: skip
# Parts of a model that mmsegmentation builds by their type
_BUILT = {
    'backbone', 'neck', 'decode_head', 'auxiliary_head', 'data_preprocessor', 'loss_decode',
    'norm_cfg', 'module', 'segmentor',
}  # fmt: skip
_BY_BUILDER = {  # taken out before the class is called
    'OPTIM_WRAPPERS': {'optimizer', 'constructor', 'paramwise_cfg'},
    'PARAM_SCHEDULERS': {'convert_to_iter_based', 'epoch_length'},
    'LOOPS': {'by_epoch'},
    'HOOKS': {'priority'},
    'METRICS': {'metrics'},
}
# What others call it
_ALIASES = {
    'GroupNorm': 'GN', 'BatchNorm': 'BN', 'BatchNorm2d': 'BN', 'LayerNorm': 'LN',
    'InstanceNorm': 'IN', 'SyncBatchNorm': 'SyncBN', 'learning_rate': 'lr',
    'dropout': 'dropout_ratio',
}  # fmt: skip
_HANDED_OUT = {'TIMMBackbone'}
"""Classes that hand further arguments to a package outside, which refuses those it hasn't."""
_LOADER = {*inspect.signature(DataLoader).parameters, 'num_batch_per_epoch'}
_TOP = {
    'optim_wrapper': 'OPTIM_WRAPPERS', 'param_scheduler': 'PARAM_SCHEDULERS', 'train_cfg': 'LOOPS',
    'val_cfg': 'LOOPS', 'test_cfg': 'LOOPS', 'val_evaluator': 'METRICS', 'test_evaluator':
    'METRICS', 'custom_hooks': 'HOOKS', 'visualizer': 'VISUALIZERS', 'log_processor':
    'LOG_PROCESSORS', 'model': 'MODELS', 'tta_model': 'MODELS', 'tta_pipeline': 'TRANSFORMS',
}  # fmt: skip
_DEFAULT_TYPES = {'optim_wrapper': 'OptimWrapper', 'log_processor': 'LogProcessor'}


def check_keys(
    config: Config, path: str, scope: str = 'mmengine', only: Iterable[str] | None = None
) -> None:
    """Refuse the first key that nothing takes, and the first type that nothing registers.

    A class of a user's own that takes ``**kwargs`` may take any key. Of a library's that hands
    such arguments on, a key is refused where no class that gets them knows it.

    Args:
        config: A run's config.
        path: Its file, for messages.
        scope: Where names without a scope are looked up.
        only: Its top-level keys to look at; None for all.

    Raises:
        RefusedError: Names the key as ``--cfg-options`` would, and the nearest right one.
    """
    check = _Check(path, scope)
    for key in config if only is None else only:
        check.top(key, config.get(key))


class _Check:
    """Walks a config's parts with their keys."""

    def __init__(self, path: str, scope: str):
        self.path, self.scope = path, scope

    def top(self, key: str, value: Any) -> None:
        """Check one of the config's own keys."""
        if key in _PLAIN:
            self.plain(value, key)
        elif key in ('train_dataloader', 'val_dataloader', 'test_dataloader'):
            self.loader(value, key)
        elif key == 'default_hooks':
            self.hooks(value)
        elif key in _TOP:
            kind = _DEFAULT_TYPES.get(key)
            if (
                isinstance(value, dict)
                and kind
                and 'type' not in value
                and 'constructor' not in value
            ):
                value = dict(value, type=kind)
            self.part(value, key, _TOP[key], built=True)
        if key == 'optim_wrapper' and isinstance(value, dict):
            self.plain(value.get('clip_grad'), f'{key}.clip_grad')
            if 'constructor' not in value:
                self.plain(value.get('paramwise_cfg'), f'{key}.paramwise_cfg')
        if key == 'env_cfg' and isinstance(value, dict):
            self.plain(value.get('mp_cfg'), 'env_cfg.mp_cfg')

    def plain(self, value: Any, key: str) -> None:
        """Check a dict that is read key by key."""
        if isinstance(value, dict):
            for name in value.keys() - _PLAIN[key] - _MARKS:
                self.refuse(f'{key}.{name}', value[name], _PLAIN[key])

    def loader(self, value: Any, key: str) -> None:
        """Check a data loader's config, and the dataset and sampler in it."""
        if not isinstance(value, dict):
            return
        for name in value.keys() - _LOADER - _MARKS:
            self.refuse(f'{key}.{name}', value[name], _LOADER)
        for name in ('dataset', 'sampler', 'batch_sampler'):
            registry = _CHILDREN.get(name, 'DATA_SAMPLERS')
            self.part(value.get(name), f'{key}.{name}', registry, built=True)

    def hooks(self, value: Any) -> None:
        """Check hooks by name: one without a type is a name that nothing else has."""
        for name, hook in (value or {}).items():
            key = f'default_hooks.{name}'
            if isinstance(hook, dict) and 'type' not in hook:
                others = [other for other in value if other != name]
                self.refuse(key, dict(hook), others, 'it names no hook of this config')
            self.part(hook, key, 'HOOKS', built=True)

    def part(self, value: Any, key: str, registry: str, built: bool = False) -> None:
        """Check what a registry builds, or a list of such, and what is in it.

        ``built`` says that its type is looked up for sure; elsewhere a dict may have a ``type`` of
        its own meaning.
        """
        if isinstance(value, list | tuple):
            for number, item in enumerate(value):
                self.part(item, f'{key}.{number}', registry, built)
            return
        if built and value is not None and not isinstance(value, dict | str):
            reason = 'expected dict(type=...)'
            raise RefusedError(f'config {self.path}: {key}={value!r}: {reason}')
        if not isinstance(value, dict) or _needs_absent_mmdet(value):
            return
        outer, self.scope = self.scope, value.get('_scope_') or self.scope
        made = self.find(value, key, registry, built) if 'type' in value else None
        if made is not None:
            self.arguments(value, key, made, _BY_BUILDER.get(registry, set()))
        self.children(value, key, registry, made is None or _is_of_library(made))
        self.scope = outer

    def children(self, value: Mapping, key: str, registry: str, trusted: bool) -> None:
        """Check the parts of a part; they are looked up in its scope, as mmengine does."""
        for name, item in value.items():
            child = _CHILDREN.get(name, '')
            certain = trusted and name != 'transforms'
            if registry == 'MODELS' and name != 'init_cfg':
                child, certain = 'MODELS', trusted and name in _BUILT
            if name == 'heads' and isinstance(item, Mapping):
                for source, head in item.items():
                    terms = head.get('loss_decode') if isinstance(head, Mapping) else None
                    self.part(terms, f'{key}.heads.{source}.loss_decode', 'MODELS', trusted)
            elif child and name not in ('type', 'heads'):
                self.part(item, f'{key}.{name}', child, certain)

    def find(self, value: Mapping, key: str, registry: str, built: bool) -> Any:
        """Return the class that a part's ``type`` names; None where nothing is known of it."""
        kind = value['type']
        if not isinstance(kind, str):
            return kind if callable(kind) else None
        root = getattr(importlib.import_module('mmengine.registry'), registry)
        with root.switch_scope_and_registry(self.scope) as own:
            made = own.get(kind)
            if made is None and registry == 'METRICS':
                made = importlib.import_module('mmengine.registry').EVALUATOR.get(kind)
            if made is None and built and kind in PROMPT_SEGMENTORS:
                raise RefusedError(
                    f'config {self.path}: {key}.type={kind!r} makes masks from boxes, with '
                    'tools/sam_annotate.py; give the config of a segmentation network'
                )
            if made is None and built:
                known = {name for each in _family(own) for name in each.module_dict}
                raise RefusedError(
                    f'config {self.path}: {key}.type={kind!r}: {kind} is not in the '
                    f'{own.scope}::{own.name} registry; {_near(kind, known)}correct the name, or '
                    'import what registers it by custom_imports'
                )
        return made

    def arguments(self, value: Mapping, key: str, made: Any, extra: set[str]) -> None:
        """Refuse an argument that a class doesn't take."""
        names, taken, anything = _parameters(made)
        unknown = [name for name in value if name not in _MARKS | names | extra]
        if key.endswith('norm_cfg'):
            unknown = [name for name in unknown if name != 'requires_grad']
        if taken and not _is_of_library(made):
            unknown = []
        elif anything:
            unknown = [name for name in unknown if difflib.get_close_matches(name, names, 1, 0.8)]
        for name in unknown:
            reason = f'{made.__name__} takes no {name}'
            self.refuse(f'{key}.{name}', value[name], names - {'self'} | extra, reason)
        if _reads_test_cfg(made):
            for name in (value.get('test_cfg') or {}).keys() - _TEST_CFG - _MARKS:
                self.refuse(f'{key}.test_cfg.{name}', value['test_cfg'][name], _TEST_CFG)
            if isinstance(value.get('decode_head'), list | tuple) and not _cascades(made):
                raise RefusedError(
                    f'config {self.path}: {key}.decode_head is a list of '
                    f'{len(value["decode_head"])}; {made.__name__} takes one, as dict(type=...)'
                )

    def refuse(
        self, key: str, value: Any, known: Iterable[str], reason: str = 'nothing reads it'
    ) -> NoReturn:
        """Raise the message on a key."""
        names = sorted(known)
        listed = f'known: {", ".join(names[:25])}' + ', ...' * (len(names) > 25)
        hint = _near(key.rpartition('.')[2], names)
        raise RefusedError(f'config {self.path}: {key}={value!r}: {reason}; {hint}{listed}')


@cache
def _parameters(made: Any) -> tuple[set[str], bool, bool]:
    """Return what a class or function takes: names, whether it has ``**kwargs``, whether it
    swallows them.

    Arguments that are handed on are those of the next class that has a constructor.
    """
    if not inspect.isclass(made):
        parameters = inspect.signature(made).parameters.values()
        keyword = any(each.kind is each.VAR_KEYWORD for each in parameters)
        return {*_named(parameters)}, keyword, keyword
    names: set[str] = set()
    taken = False
    for level in made.__mro__[:-1]:
        constructor = level.__dict__.get('__init__')
        if constructor is None:
            continue
        try:
            parameters = inspect.signature(constructor).parameters.values()
        except (TypeError, ValueError):
            return names, True, True
        names |= {*_named(parameters), *_taken_out(constructor)}
        if not any(each.kind is each.VAR_KEYWORD for each in parameters):
            return names, taken or made.__name__ in _HANDED_OUT, made.__name__ in _HANDED_OUT
        taken = True
    return names, taken, taken


def _named(parameters: Iterable[inspect.Parameter]) -> Iterator[str]:
    starred = inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD
    return (each.name for each in parameters if each.kind not in starred)


def _taken_out(constructor: Any) -> Iterator[str]:
    """Yield the names that a constructor looks for in its ``kwargs``."""
    try:
        source = inspect.getsource(constructor)
    except (OSError, TypeError):
        return
    for match in re.finditer(r'kwargs(?:\.(?:pop|get|setdefault)\(|\[)\s*[\'"](\w+)', source):
        yield match[1]
    for match in re.finditer(r'[\'"](\w+)[\'"] (?:not )?in kwargs', source):
        yield match[1]


def _is_of_library(made: Any) -> bool:
    levels = made.__mro__[:-1] if inspect.isclass(made) else [made]
    return all(level.__module__.partition('.')[0] in _LIBRARIES for level in levels
               if '__init__' in getattr(level, '__dict__', {}) or level is made)  # fmt: skip


def _reads_test_cfg(made: Any) -> bool:
    names = {level.__name__ for level in getattr(made, '__mro__', ())}
    return 'EncoderDecoder' in names and _is_of_library(made)


def _cascades(made: Any) -> bool:
    return any(level.__name__ == 'CascadeEncoderDecoder' for level in made.__mro__)


def _needs_absent_mmdet(value: Mapping) -> bool:
    """Whether a part is mmdet's where there is none; the part itself says so when it is built."""
    return find_spec('mmdet') is None and "'mmdet." in str(value)


def _family(registry: Any) -> Iterator[Any]:
    while registry is not None:
        yield registry
        registry = registry.parent


def _near(word: str, known: Iterable[str]) -> str:
    names = {name.lower(): name for name in known}
    if _ALIASES.get(word) in names.values():
        return f'did you mean {_ALIASES[word]!r}? '
    found = difflib.get_close_matches(word.lower(), names, n=1, cutoff=0.55)
    found = found or [low for low in names if len(low) > 2 and low in word.lower()][:1]
    return f'did you mean {names[found[0]]!r}? ' if found else ''
