"""What a change does to the files that users get: the same commands at two revisions, compared.

Runs the tools of a base revision and of this checkout on data that the base revision drew, and
compares every file and every line of output. Times, library versions and log files are left out;
of checkpoints the tensors are compared.
"""

import argparse
import difflib
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import torch

ROOT = Path(__file__).resolve().parents[1]
RBOX = 'configs/annotate/dota_grabcut_rbox.py'
FILL = 'model.type=BoxFillSegmentor'
COMMANDS = {
    'masks': f'sam_annotate.py {RBOX} --data-root DATA/a --out masks --workers 2 --report',
    'masks-b': f'sam_annotate.py {RBOX} --data-root DATA/b --out masks-b --cfg-options {FILL}',
    'filtered': f'sam_annotate.py {RBOX} --data-root DATA/a --out filtered --prompt hbox'
    f' --cfg-options {FILL} filters.min_fill=0.9 overlap_policy=file_order',
    'tiled': f'sam_annotate.py {RBOX} --data-root DATA/a --out tiled --workers 2'
    f' --cfg-options {FILL} tile.size=256 tile.overlap=64',
    'verify': f'sam_annotate.py {RBOX} --data-root DATA/a --out masks --verify',
    'dry-run': f'sam_annotate.py {RBOX} --data-root DATA/a --out none --dry-run --cfg-options'
    ' tile.size=256 tile.overlap=64',
    'cut': f'dataset_converters/prepare_tiles.py {RBOX} --data-root DATA/a --out cut --size 256'
    ' --overlap 64',
    'ablation': 'prompt_ablation.py configs/annotate/coco_grabcut_hbox.py --data-root DATA/a'
    ' --out ablation --limit 3',
    'scores': 'analysis_tools/score_masks.py masks filtered --truth DATA/a/annotations.json',
    'stats': 'analysis_tools/dataset_stats.py masks --out stats --format csv,json',
    'coco': 'dataset_converters/export_dataset.py masks --to coco --out coco --images copy',
    'polygons': 'dataset_converters/export_dataset.py tiled --to coco --out polygons --polygons'
    ' --images none',
    'yolo': 'dataset_converters/export_dataset.py masks --to yolo-seg --out yolo',
    'dota': 'dataset_converters/export_dataset.py masks --to dota --out dota',
    'samrs': 'dataset_converters/export_dataset.py tiled --to samrs --out samrs',
    'splits': 'dataset_converters/make_splits.py masks --val 0.3',
    'splits-b': 'dataset_converters/make_splits.py masks-b --val 0.3',
    'pack': 'dataset_converters/pack_dataset.py masks masks/packed',
    'train': 'train.py train.py --work-dir work',
    'predict': 'predict.py train.py work/iter_3.pth DATA/a/images --source city --out predicted'
    ' --save labels,probabilities,overlays --device cpu',
    'test': 'test.py train.py work/iter_3.pth --work-dir tested',
}
CONFIG = """_base_ = 'CHECKOUT/configs/examples/sep_demo.py'
folders = dict(city='masks', coast='masks-b')
sources = [dict(type='SAMRSDataset', source=s, data_root=root) for s, root in folders.items()]
train_dataloader = dict(num_workers=0, persistent_workers=False, dataset=dict(datasets=[
    dict(s, ann_file='train.txt', pipeline=_base_.train_pipeline) for s in sources]))
val_dataloader = dict(dataset=dict(datasets=[
    dict(s, ann_file='val.txt', pipeline=_base_.val_pipeline, test_mode=True) for s in sources]))
test_dataloader = val_dataloader
train_cfg = dict(max_iters=3, val_interval=3)
default_hooks = dict(logger=dict(interval=1), checkpoint=dict(interval=3))
"""
TIMES = ('time', 'data_time', 'eta', 'memory')


def run(checkout: Path, folder: Path, name: str, command: str, data: Path) -> None:
    """Run one command of a checkout in ``folder``; its output goes to ``said/NAME.txt``."""
    (folder / 'said').mkdir(parents=True, exist_ok=True)
    (folder / 'train.py').write_text(CONFIG.replace('CHECKOUT', str(checkout)))
    tool, *words = command.replace('DATA', os.path.relpath(data, folder)).split()
    words = [str(checkout / word) if word.startswith('configs/') else word for word in words]
    done = subprocess.run(
        [sys.executable, str(checkout / 'tools' / tool), *words],
        cwd=folder, env=os.environ | dict(PYTHONPATH=str(checkout), OMP_NUM_THREADS='1'),
        capture_output=True, text=True,
    )  # fmt: skip
    text = f'exit code {done.returncode}\n{done.stdout}'
    if done.returncode:
        text += done.stderr
    (folder / 'said' / f'{name}.txt').write_text(text.replace(str(checkout), 'CHECKOUT'))


def content(path: Path) -> object:
    """Return what is compared of a file."""
    if path.suffix == '.pth':
        state = torch.load(path, weights_only=True, map_location='cpu')
        state = state.get('state_dict', state)
        return {name: value.numpy().tobytes() for name, value in state.items()}
    data = path.read_bytes()
    if path.name == 'scalars.json' or re.fullmatch(r'\d{8}_\d{6}\.json', path.name):
        rows = [json.loads(line) for line in data.splitlines()]
        return [{k: v for k, v in row.items() if k not in TIMES} for row in rows]
    if path.name == 'meta.json':
        return {k: v for k, v in json.loads(data).items() if k != 'versions'}
    if path.name == 'predictions.json':  # a checkpoint's bytes hold the time it was written
        return re.sub(rb'"checkpoint":"\w+"', b'', data)
    if path.name == 'pack.csv':  # the last column holds times of files
        return [line.rpartition(b',')[0] for line in data.splitlines()]
    if path.parent.name == 'said':
        return re.sub(r'\d+([.:]\d+)* (s|ms|MB|min)\b|\d{8}_\d{6}|^.* - mmengine - .*$', '_',
                      data.decode(), flags=re.MULTILINE)  # fmt: skip
    return data


def files(folder: Path) -> dict[str, Path]:
    """Return the files to compare by name; those of a training run without its start time."""
    skipped = re.compile(r'\.log$|events\.out|vis_data/config\.py|(^|/)train\.py$|last_checkpoint')
    return {
        re.sub(r'\d{8}_\d{6}', 'RUN', str(path.relative_to(folder))): path
        for path in sorted(folder.rglob('*'))
        if path.is_file() and not skipped.search(str(path.relative_to(folder)))
    }


def differences(old: Path, new: Path) -> list[str]:
    """Return a line for each file that is not the same in both folders."""
    before, after = files(old), files(new)
    lines = [f'gone: {name}' for name in sorted(before.keys() - after.keys())]
    lines += [f'new: {name}' for name in sorted(after.keys() - before.keys())]
    for name in sorted(before.keys() & after.keys()):
        first, second = content(before[name]), content(after[name])
        if first != second:
            lines.append(f'differs: {name}')
            if isinstance(first, str):
                lines += [
                    f'    {line}'
                    for line in difflib.unified_diff(first.split('\n'), second.split('\n'), n=0)
                    if line[:3] not in ('---', '+++') and line[:2] != '@@'
                ]
    print(f'{len(before)} files before, {len(after)} after')
    return lines


def main() -> int:
    """Run both and print what differs; 1 if anything does."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('base', help='revision to compare with')
    parser.add_argument('--only', nargs='+', choices=COMMANDS, help='some of the commands')
    parser.add_argument('--scenes', help='more data in DOTA layout, annotated whole and in tiles')
    parser.add_argument('--keep', metavar='DIR', help='where everything is left for a look')
    args = parser.parse_args()
    top = Path(args.keep or tempfile.mkdtemp()).resolve()
    top.mkdir(parents=True, exist_ok=True)
    base, data = top / 'checkout', top / 'data'
    if not base.exists():
        base.mkdir()
        archive = subprocess.run(
            ['git', 'archive', args.base], cwd=ROOT, capture_output=True, check=True
        )
        subprocess.run(['tar', '-x', '-C', base], input=archive.stdout, check=True)
    shutil.rmtree(top / 'after', ignore_errors=True)
    commands = {name: COMMANDS[name] for name in args.only or COMMANDS}
    if args.scenes:
        data.mkdir(exist_ok=True)
        (data / 'scenes').unlink(missing_ok=True)
        (data / 'scenes').symlink_to(Path(args.scenes).resolve())
        whole = f'sam_annotate.py {RBOX} --data-root DATA/scenes --out'
        commands |= {
            'scenes': f'{whole} scenes',
            'scenes-tiled': f'{whole} scenes-tiled --cfg-options tile.size=1024',
        }
    draw = 'dataset_converters/make_demo_data.py'
    for domain in 'ab':
        if not (data / domain).exists():
            command = f'{draw} DATA/{domain} --domain {domain} --scenes 14'
            run(base, top, f'draw-{domain}', command, data)
    for name, command in commands.items():
        print(name, flush=True)
        for checkout, folder in ((base, top / 'before'), (ROOT, top / 'after')):
            if checkout == ROOT or not (folder / 'said' / f'{name}.txt').exists():
                run(checkout, folder, name, command, data)
    lines = differences(top / 'before', top / 'after')
    print('\n'.join(lines) or 'nothing differs')
    if not args.keep:
        shutil.rmtree(top)
    return bool(lines)


if __name__ == '__main__':
    sys.exit(main())
