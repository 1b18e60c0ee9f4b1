"""The configs and tools that come with the package, and the names by which a user calls them."""

import contextlib
import difflib
import hashlib
import re
import sys
from pathlib import Path

from samrs_mm.core.errors import RefusedError

PACKAGE = Path(__file__).resolve().parents[1]
MIM = PACKAGE / '.mim'
SCOPE = 'samrs_mm::'
COMMAND = 'samrs-mm'
_LIBRARIES = (
    'samrs_mm', 'numpy', 'opencv-python', 'pillow', 'pycocotools', 'pyogrio', 'rasterio', 'shapely',
    'torch', 'segment-anything', 'mmengine', 'mmsegmentation', 'mmrotate',
)  # fmt: skip
_CONFIG_SUFFIXES = ('.py', '.yml', '.yaml', '.json')

TOOLS = {
    # name after `samrs-mm`: file in tools/
    'demo': 'demo.py',
    'annotate': 'sam_annotate.py',
    'ablation': 'prompt_ablation.py',
    'train': 'train.py',
    'test': 'test.py',
    'ranks': 'run_ranks.py',
    'predict': 'predict.py',
    'export-model': 'export_model.py',
    'propose': 'propose_boxes.py',
    'browse': 'analysis_tools/browse_dataset.py',
    'report': 'analysis_tools/review_report.py',
    'stats': 'analysis_tools/dataset_stats.py',
    'score': 'analysis_tools/score_masks.py',
    'audit': 'analysis_tools/audit.py',
    'fidelity': 'analysis_tools/fidelity.py',
    'flops': 'analysis_tools/count_flops.py',
    'results': 'analysis_tools/results_table.py',
    'export': 'dataset_converters/export_dataset.py',
    'import': 'dataset_converters/import_samrs.py',
    'corrections': 'import_corrections.py',
    'review': 'review.py',
    'coco': 'dataset_converters/boxes_to_coco.py',
    'tiles': 'dataset_converters/prepare_tiles.py',
    'splits': 'dataset_converters/make_splits.py',
    'pack': 'dataset_converters/pack_dataset.py',
    'potsdam': 'dataset_converters/prepare_potsdam.py',
    'isaid': 'dataset_converters/prepare_isaid.py',
    'deepglobe': 'dataset_converters/prepare_deepglobe.py',
    'draw': 'dataset_converters/make_demo_data.py',
    'convert': 'model_converters/convert_checkpoint.py',
    'onnx': 'model_converters/boxnet2onnx.py',
}


def library_versions() -> dict[str, str]:
    """Return the versions of this package and of those that decide masks, where they are there."""
    import importlib.metadata

    versions = {}
    for name in _LIBRARIES:
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            versions[name] = importlib.metadata.version(name)
    return versions


def digest_of_code(*rooms: str) -> str:
    """Return the SHA-256 of the source of folders of the package, as hex."""
    digest = hashlib.sha256()
    for room in rooms:
        for path in sorted((PACKAGE / room).rglob('*.py')):
            digest.update(path.read_bytes())
    return digest.hexdigest()


def shipped(name: str) -> Path:
    """Return the folder ``configs`` or ``tools`` of the package, installed or in a checkout."""
    installed = MIM / name
    return installed if installed.is_dir() else PACKAGE.parent / name


def config_names() -> list[str]:
    """Return the package's configs that can be run, such as ``sep/unet_resnet50.py``, sorted."""
    root = shipped('configs')
    paths = (path.relative_to(root) for path in root.rglob('*.py'))
    return sorted(path.as_posix() for path in paths if path.parts[0] != '_base_')


def find_config(name: str) -> Path:
    """Return a config's file: that of the name or, where there is none, one of the package's.

    Of the package's, ``NAME``, ``FOLDER/NAME``, ``configs/FOLDER/NAME`` and
    ``samrs_mm::FOLDER/NAME`` are taken. ``.py`` may be left out of either.

    Raises:
        RefusedError: There is no such file; says which may be meant.
    """
    for own in (Path(name), Path(f'{name}.py')):
        if own.suffix in _CONFIG_SUFFIXES and own.is_file():
            return own
    root = shipped('configs')
    wanted = Path(f'{name.removeprefix(SCOPE).removesuffix(".py")}.py')
    wanted = wanted.relative_to('configs') if wanted.is_relative_to('configs') else wanted
    if not wanted.is_absolute() and '..' not in wanted.parts and (root / wanted).is_file():
        return root / wanted
    known = {Path(each).stem: each for each in config_names()}
    if len(wanted.parts) == 1 and wanted.stem in known:
        return root / known[wanted.stem]
    if Path(name).is_file():
        raise RefusedError(f'config {name}: not a config, which is {", ".join(_CONFIG_SUFFIXES)}')
    near = nearest(wanted.stem, known)
    hint = f'did you mean {" or ".join(near)}? ' if near else ''
    raise RefusedError(
        f"config {name}: no such file; {hint}`{COMMAND} configs` lists the package's own"
    )


def nearest(word: str, known: list[str] | dict[str, str]) -> list[str]:
    """Return up to three of the known names that hold a word or are like it."""
    holding = [each for each in known if len(word) > 2 and word in each]
    return (holding or difflib.get_close_matches(word, known, n=3))[:3]


_NAMES = {Path(file).stem: name for name, file in TOOLS.items()}
_TOOL = re.compile(
    # A path, or a file's name that nothing else can have.
    rf'(?P<start>\btorchrun .*)?(?<![\w/.])(?:python )?'
    rf'(?:tools/(?:\w+/)?(?P<path>{"|".join(_NAMES)})\.py'
    rf'|(?P<file>{"|".join(stem for stem in _NAMES if "_" in stem)})\.py)\b'
)
_RANKS = re.compile(r'tools/dist_(train|test)\.sh (CONFIG(?: CHECKPOINT)?) (\d+)')
_SLURM = re.compile(r'tools/slurm_train\.sh PARTITION JOB CONFIG')


def called_by_name() -> bool:
    """Whether this process was started as `samrs-mm NAME`, or from where no `tools/` is beside."""
    started = Path(sys.argv[0])
    return started.name.startswith(f'{COMMAND} ') or MIM.name in started.parts


def spoken(text: str) -> str:
    """Return a text for the user, with the tools named as this user can call them.

    In a checkout nothing changes. For a user of `samrs-mm`, ``python tools/train.py CONFIG``
    becomes ``samrs-mm train CONFIG`` and ``make_splits.py`` becomes ``samrs-mm splits``.
    """
    if not called_by_name():
        return text
    text = _RANKS.sub(r'torchrun --nproc-per-node \3 -m samrs_mm \1 \2 --launcher pytorch', text)
    text = _SLURM.sub('srun python -m samrs_mm train CONFIG --launcher slurm', text)
    return _TOOL.sub(_as_command, text)


def _as_command(match: re.Match[str]) -> str:
    name = _NAMES[match['path'] or match['file']]
    start = match['start']
    return f'{start}-m samrs_mm {name}' if start else f'{COMMAND} {name}'
