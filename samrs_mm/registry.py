"""Registries of prompt segmentors and box datasets, and the registration of all else.

Both registries are children of mmseg's MODELS and DATASETS. Importing them, or building one of the
types below, loads neither torch nor mmseg.
"""

import contextlib
import difflib
import importlib
import inspect
import pkgutil
import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from mmengine.registry import Registry

from samrs_mm.core.errors import RefusedError, describe

SCOPE = 'samrs_mm'


class PartRegistry(Registry):
    """Types of one part of an annotate config.

    A type of ours is imported when it is asked for. Only for a type that is not found here mmseg is
    imported, and its registry and mmengine's are looked at: there too may types be registered.

    Args:
        name: What its types are, for messages.
        key: The config's key whose ``type`` is looked up here.
        parent: Name of the parent in ``mmseg.registry``.
        methods: What its types have, unlike others that mmseg's registry holds.
        modules: Module of each type of ours.
    """

    parent: Registry | None

    def __init__(
        self, name: str, key: str, parent: str, methods: Sequence[str], modules: Mapping[str, str]
    ):
        super().__init__(name, scope=SCOPE)
        self._key, self._parent, self._methods, self._modules = key, parent, methods, modules
        self._imported = True  # there are no locations; `get` imports
        if 'mmseg.registry' in sys.modules:
            self.link()

    def link(self) -> None:
        """Become a child of mmseg's registry, if there is an mmseg."""
        if self.parent is None:
            with contextlib.suppress(ImportError, AssertionError):
                parent = getattr(importlib.import_module('mmseg.registry'), self._parent)
                parent._add_child(self)
                self.parent = parent

    def _register_module(self, module: type, module_name: Any = None, force: bool = False) -> None:
        names = [module_name] if isinstance(module_name, str) else module_name
        for name in names or [module.__name__]:
            place = self._modules.get(name, module.__module__)
            if not force and place != module.__module__:
                raise KeyError(f'{name} is already registered in {self.name} at {place}')
        super()._register_module(module, module_name, force)

    def get(self, key: str) -> type | None:
        """Return a type by its name, ``scope.name`` or ``package.module.name``; None if unknown."""
        name = key.removeprefix(f'{SCOPE}.')
        if name in self._modules and name not in self._module_dict:
            importlib.import_module(self._modules[name])
        if name in self._module_dict:
            return self._module_dict[name]
        self.link()
        return super().get(key)

    def load_all(self) -> dict[str, type]:
        """Return every type that is registered here by name, ours imported."""
        for module in self._modules.values():
            importlib.import_module(module)
        return self._module_dict

    def build(self, entry: Mapping[str, Any]) -> Any:
        """Return the object that an entry of a config names.

        An argument that is None and that the type does not take is left out: configs may name
        ``checkpoint=None`` whatever the type.

        Raises:
            RefusedError: No such type, an argument that it does not take, or whatever the type
                refuses.
        """
        args = dict(entry)
        args.pop('_scope_', None)
        kind = args.pop('type', None)
        made = self.get(kind) if isinstance(kind, str) else kind
        if not callable(made):
            known = sorted({*self._modules, *self._module_dict})
            raise RefusedError(
                f'config: {self._key}.type={kind!r}: no such {self.name}; {_hint(kind, known)}'
                f'there are {", ".join(known)}, and what custom_imports of the config register'
            )
        lacking = [method for method in self._methods if not hasattr(made, method)]
        if isinstance(made, type) and lacking:
            raise RefusedError(
                f'config: {self._key}.type={kind!r}: {made.__module__}.{made.__name__} is no '
                f'{self.name}, it has no method {lacking[0]!r}'
            )
        parameters = inspect.signature(made).parameters
        if any(each.kind is each.VAR_KEYWORD for each in parameters.values()):
            return made(**args)
        for name in [name for name in args if name not in parameters]:
            value = args.pop(name)
            if renamed := getattr(made, 'renamed', {}).get(name):
                raise RefusedError(f'config: {self._key}.{name}={value!r}: is now {renamed}')
            if value is not None:
                flag = ' (--checkpoint)' if name == 'checkpoint' else ''
                raise RefusedError(
                    f'config: {self._key}.{name}={value!r}{flag}: {made.__name__} takes no {name}; '
                    f'{_hint(name, parameters)}it takes {", ".join(parameters) or "nothing"}'
                )
        return made(**args)


def _hint(word: Any, known: Iterable[str]) -> str:
    """Return ``did you mean 'X'? `` of the name that is nearest, or nothing."""
    word, names = str(word).lower(), {name.lower(): name for name in known}
    near = sorted((name for name in names if len(word) > 2 and word in name), key=len)
    near = near or difflib.get_close_matches(word, names, n=1)
    return f'did you mean {names[near[0]]!r}? ' if near else ''


_WITHOUT_TORCH = (
    '; without it GrabCut makes masks: the configs dota_grabcut_rbox and coco_grabcut_hbox, or '
    'model.type=GrabCutSegmentor'
)
_SEGMENTORS = 'samrs_mm.models.prompt_segmentors'
PROMPT_SEGMENTORS = PartRegistry(
    'prompt segmentor',
    key='model',
    parent='MODELS',
    methods=('unsupported', 'load', 'encode', 'decode'),
    modules={
        'BoxNetSegmentor': f'{_SEGMENTORS}.boxnet',
        'BoxFillSegmentor': f'{_SEGMENTORS}.box_fill',
        'GrabCutSegmentor': f'{_SEGMENTORS}.grabcut',
        'HQSAMSegmentor': f'{_SEGMENTORS}.sam_hq',
        'MobileSAMSegmentor': f'{_SEGMENTORS}.mobile_sam',
        'SAMSegmentor': f'{_SEGMENTORS}.sam',
        'SAM2Segmentor': f'{_SEGMENTORS}.sam2',
        'SAM3Segmentor': f'{_SEGMENTORS}.sam3',
    },
)
_BOXES = 'samrs_mm.datasets.boxes'
BOX_DATASETS = PartRegistry(
    'box dataset',
    key='dataset',
    parent='DATASETS',
    methods=('index', 'parse', 'labels', 'collect_classes'),
    modules={
        'AutoBoxDataset': f'{_BOXES}.auto',
        'COCOBoxDataset': f'{_BOXES}.coco',
        'COCOPartsBoxDataset': f'{_BOXES}.coco_parts',
        'CVATBoxDataset': f'{_BOXES}.cvat',
        'DIORBoxDataset': f'{_BOXES}.dior',
        'DOTABoxDataset': f'{_BOXES}.dota',
        'FAIR1MBoxDataset': f'{_BOXES}.fair1m',
        'GeoBoxDataset': f'{_BOXES}.geo',
        'GeoImageDataset': f'{_BOXES}.geo_images',
        'HRSC2016BoxDataset': f'{_BOXES}.hrsc',
        'ImageFolderDataset': f'{_BOXES}.image_folder',
        'ISAIDInstanceDataset': f'{_BOXES}.isaid',
        'LabelMeBoxDataset': f'{_BOXES}.labelme',
        'LabelStudioBoxDataset': f'{_BOXES}.label_studio',
        'ReferringBoxDataset': f'{_BOXES}.referring',
        'SAMRSBoxDataset': f'{_BOXES}.released',
        'VOCBoxDataset': f'{_BOXES}.voc',
        'YOLOBoxDataset': f'{_BOXES}.yolo',
    },
)

_TRAINING = (
    'datasets.crops',
    'datasets.instances',
    'datasets.referring',
    'datasets.samplers',
    'datasets.segmentation',
    'datasets.transforms',
    'drawn.datasets',
    'engine.hooks',
    'engine.loops',
    'engine.visualizers',
    'evaluation.metrics',
    'models.backbones',
    'models.boxnet',
    'models.decode_heads',
    'models.segmentors',
)


class _Namesake(Registry):
    """Finds what mmseg's registry has, for configs whose base is named ``samrs_mm::...``."""

    def get(self, key: str) -> type | None:
        """Return a type by its name; None if unknown."""
        return self.parent.get(key.removeprefix(f'{SCOPE}.'))


def register_all() -> None:
    """Register everything of ours with mmseg, so that configs find it by name.

    Every module in the folders above is imported: a new file in one of them needs no further line.
    """
    for name in _TRAINING:
        folder = importlib.import_module(f'{SCOPE}.{name}')
        for module in pkgutil.iter_modules(folder.__path__, f'{folder.__name__}.'):
            importlib.import_module(module.name)
    for registry in (PROMPT_SEGMENTORS, BOX_DATASETS):
        registry.link()
    registries = importlib.import_module('mmseg.registry')
    for name in registries.__all__:
        parent = getattr(registries, name)
        if SCOPE not in parent.children:
            _Namesake(parent.name, parent=parent, scope=SCOPE)


def build(registry: Registry, entry: dict, key: str) -> Any:
    """Return the part of a config's ``key`` that a registry makes from its entry.

    Raises:
        RefusedError: It can't be made, with the reason.
    """
    if not isinstance(entry, Mapping):
        raise RefusedError(f'config: {key}={entry!r}: expected dict(type=..., ...)')
    try:
        return registry.build(entry)
    except RefusedError:
        raise
    except ModuleNotFoundError as error:
        missing = (error.name or '').partition('.')[0]
        others = _WITHOUT_TORCH if key == 'model' and missing == 'torch' else ''
        raise RefusedError(
            f'config: {key} {entry.get("type")}: needs {missing}, which is not installed: run '
            f'`make env`, or `pip install {missing}`{others}'
        ) from error
    except Exception as error:
        reason = describe(error.__cause__ or error)
        raise RefusedError(f'config: {key} {entry.get("type")}: {reason}') from error
