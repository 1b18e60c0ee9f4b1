"""Write an annotated dataset in another format: COCO, YOLO, LabelMe, FiftyOne, phrases, GIS ..."""

import argparse
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from samrs_mm.annotate.exporter import COPY, LINK, NONE, ExportCounts, Exporter
from samrs_mm.annotate.map_export import GISExport, refuse_unplaced
from samrs_mm.annotate.writer import MaskFilters
from samrs_mm.cli import ToolParser, positive, progress, run_command, tell_failures, whole_number
from samrs_mm.core.errors import RefusedError
from samrs_mm.core.found_files import read_list
from samrs_mm.core.input_notes import some
from samrs_mm.core.parallel import reading_processes
from samrs_mm.core.system import follow
from samrs_mm.core.wording import counted, plural
from samrs_mm.datasets.segmentation.image_index import read_annotated, read_meta
from samrs_mm.formats.annotated.entries import FILTERED, HELD, REGIONS, REJECTED
from samrs_mm.formats.annotated.folder import LEDGER, refuse_without_pictures
from samrs_mm.formats.annotated.ledger import read_ledger
from samrs_mm.formats.corrections.audit_sample import read_choice
from samrs_mm.formats.exports.base import INSTANCES, Export
from samrs_mm.formats.exports.coco import COCOExport
from samrs_mm.formats.exports.dota import DOTAExport
from samrs_mm.formats.exports.fiftyone import FiftyOneExport
from samrs_mm.formats.exports.imagefolder import ImageFolderExport
from samrs_mm.formats.exports.labelme import LabelMeExport
from samrs_mm.formats.exports.outlines import EDGES, INNER
from samrs_mm.formats.exports.refsegrs import RefSegRSExport
from samrs_mm.formats.exports.refsegrs import lacking as lacking_phrases
from samrs_mm.formats.exports.samrs import SAMRSExport
from samrs_mm.formats.exports.yolo import YOLOExport, data_yaml, lacking
from samrs_mm.formats.labelled_image import LabelledImage
from samrs_mm.review.selection import most_doubtful

EPILOG = """what is written (with --list once for each list, into OUT/LIST/; else into OUT itself)
  coco      annotations.json: RLE masks, nothing lost; with --polygons holes are filled
            crowds and ignored regions of the labels have iscrowd 1; categories have your own ids
  yolo-seg  labels/STEM.txt, classes.txt, OUT/data.yaml: one polygon a mask, holes are filled
            part by part (OUT/train, OUT/val ...) where the labels have parts, or FOLDER has the
            train.txt and val.txt of make_splits.py; --list and --split none overrule that
  dota      labelTxt/STEM.txt: the smallest rotated box around each mask
  samrs     gray/STEM.png color/STEM.png ins/STEM.pkl: no mask lost, but scores are, and slanted
            boxes where the prompt was hbox
  refsegrs  output_phrase_SPLIT.txt, masks/ID.tif, images/ID.tif (8-bit TIFF, one for each phrase):
            phrases by templates (class, size, place, relation) that are true of no other box;
            phrases.csv, dropped.csv: what each is made of. In one folder, parts as for yolo-seg
  fiftyone  metadata.json, samples.json, fields/: a FiftyOneDataset; parts are tags
  imagefolder  metadata.jsonl, semantic/: what Hugging Face's datasets load, in OUT/train, OUT/val
            ...; all in OUT/train where there are no parts
  gis       masks.gpkg: polygons on the map, holes kept, one for each box or object;
            labels/SCENE.tif: class indices on the scene's own grid; .qml: colours for QGIS
            of folders whose scenes are on the map (GeoTIFFs); others are refused
  labelme   images/STEM.json beside the image, for LabelMe and X-AnyLabeling: correct masks there,
            and bring them back with tools/import_corrections.py; --worst, --boxes, --class and
            --status choose them
  images/   the image files, called STEM as well; not of gis, which needs none
  OUT/export.json  what was exported, and counts of what the format could not hold
polygons are exact to some readers, holes aside:
  edges     to COCO's rule (pycocotools, mmdet, torchvision, detectron2), and to readers that cut
            corners to whole pixels and fill the line (Ultralytics, LabelMe)
  inner     to those, and to readers that round instead (supervision); half a pixel short by COCO's
  what COCO's rule and cv2.fillPoly make of them is measured on every mask and printed ("as read")
only boxes with a mask (status kept, corrected or added) are exported. 255, covered by no mask, is
a value in samrs, gis and imagefolder: in the others it becomes background, though unlabelled
objects may be there.
The folder gets its name when all is written. Killed? The same command starts over.
examples:
  tools/dataset_converters/export_dataset.py data/samrs/sota --to coco --out data/sota_coco
  tools/dataset_converters/export_dataset.py data/mine --to yolo-seg --out data/mine_yolo \\
      --list train.txt val.txt --images copy
  tools/dataset_converters/export_dataset.py data/mine --to labelme --out fix --worst 200
exit codes: 0 done; 1 some images could not be read (they are named, the rest is done), or the disk
is full; 2 refused before work began"""

AUTO = 'auto'
SHOWN = (*HELD, FILTERED, REJECTED)
"""Statuses of boxes that have a mask."""

EXPORTS = {
    'coco': COCOExport,
    'yolo-seg': YOLOExport,
    'dota': DOTAExport,
    'samrs': SAMRSExport,
    'gis': GISExport,
    'labelme': LabelMeExport,
    'refsegrs': RefSegRSExport,
    'fiftyone': FiftyOneExport,
    'imagefolder': ImageFolderExport,
}
IN_PARTS = [name for name, export in EXPORTS.items() if export.by_part]


def parse_args(argv: list[str] | None) -> argparse.Namespace:
    """Read the command line."""
    parser = ToolParser(__doc__, EPILOG)
    add = parser.add_argument
    add('folder', metavar='FOLDER', help='what sam_annotate.py wrote')
    add('--to', choices=EXPORTS, required=True, help='the format')
    add('--out', metavar='OUT', required=True, help='a new or empty folder')
    add('--list', nargs='+', metavar='FILE', default=[],
        help='lists of stems, inside FOLDER, such as train.txt val.txt')  # fmt: skip
    add('--images', choices=(COPY, LINK, NONE),
        help=f'what to do with image files (default {LINK}, symbolic; gis: {NONE})')  # fmt: skip
    add('--split', choices=(AUTO, NONE),
        help=f'{AUTO}: by parts of the dataset (default of {", ".join(IN_PARTS)}), '
        f'{NONE}: all in one (default of the others)')  # fmt: skip
    add('--polygons', nargs='?', const=EDGES, choices=(EDGES, INNER),
        help=f'coco: polygons instead of RLE; coco and yolo-seg: {EDGES} or {INNER} (see below; '
        f'default {EDGES}, of yolo-seg {INNER})')  # fmt: skip
    add('--worst', type=positive, metavar='N',
        help='labelme: only the N masks most in doubt (as the report sorts them; none that a '
        'person decided on)')  # fmt: skip
    add('--boxes', type=Path, metavar='FILE',
        help='labelme: only the masks that a JSON file lists: the sample of '
        'tools/analysis_tools/audit.py, or '
        '{"boxes": [{"stem": ..., "box_id": ...}, ...]}')  # fmt: skip
    add('--class', nargs='+', metavar='NAME', dest='categories', help='labelme: only these classes')
    add('--status', nargs='+', metavar='NAME', choices=SHOWN,
        help=f'labelme: only masks of these statuses: {", ".join(SHOWN)} (default '
        f'{" ".join(HELD)}; with --boxes all)')  # fmt: skip
    add('--workers', type=whole_number, metavar='N', default=reading_processes(),
        help='processes (default %(default)s); 0 works in this one')  # fmt: skip
    args = parser.parse_args(argv)
    if args.polygons and args.to not in ('coco', 'yolo-seg'):
        parser.error('--polygons goes with --to coco and --to yolo-seg')
    if args.to == 'gis' and args.images not in (None, NONE):
        parser.error('--images: gis has no place for tiles; the scenes stay where they are')
    if args.to in ('fiftyone', 'imagefolder') and args.images == NONE:
        parser.error(f'--images {NONE}: --to {args.to} needs the images; give {COPY} or {LINK}')
    args.images = args.images or (NONE if args.to == 'gis' else LINK)
    choice = args.worst, args.boxes, args.categories, args.status
    if args.to != 'labelme' and any(choice):
        parser.error('--worst, --boxes, --class and --status go with --to labelme')
    if args.worst and args.boxes:
        parser.error('--worst and --boxes exclude each other')
    args.status = args.status or list(SHOWN if args.boxes else HELD)
    if args.split and args.list:
        parser.error('--split and --list exclude each other')
    stems = [Path(name).stem for name in args.list]
    if len(set(stems)) < len(stems):
        parser.error(f'--list {" ".join(args.list)}: two lists of one name')
    return args


def main(argv: list[str] | None = None) -> int:
    """Run the tool and return its exit code."""
    args = parse_args(argv)
    return run_command(lambda: run(args), 'the same command starts over')


def run(args: argparse.Namespace) -> int:
    """Do what the flags say."""
    root = Path(args.folder)
    meta = read_meta(root) if root.is_dir() else None
    if meta is None:
        raise RefusedError(
            f'{root}: no annotated folder (no meta.json); a subset of the SAMRS release becomes '
            'one with tools/dataset_converters/import_samrs.py'
        )
    if args.images != NONE:
        refuse_without_pictures(root, meta, 'an export', f', or give --images {NONE}')
    images = read_annotated(root, meta)
    if (args.split or (AUTO if args.to in IN_PARTS else NONE)) == AUTO and not args.list:
        parts = by_part(images, args)
    else:
        parts = chosen(images, args)
    EXPORTS[args.to].check_classes(meta['classes'])
    if args.to == 'gis':
        refuse_unplaced(root, meta, images)
    choice = choose(args, meta, parts) if args.to == 'labelme' else {}
    parts = EXPORTS[args.to].arrange(parts)
    if args.to == 'refsegrs':
        for name, cure in lacking_phrases(parts).items():
            print(f'{name:8} none: {cure}')
    exporter = Exporter(root, Path(args.out), args.images)
    exporter.start()
    results = {}
    for name, images in parts.items():
        bar = partial(progress(name or args.to), total=len(images), unit='img')
        export, results[name] = exporter.write(
            images, name, maker(args, meta, choice), args.workers, bar
        )
    if args.to == 'yolo-seg':
        text = data_yaml(parts, meta['classes'])
        for name, cure in lacking(parts).items():
            print(f'{name:8} none: {cure}')
        if args.images == NONE:
            places = ', '.join(f'{name}/images' if name else 'images' for name in parts)
            print(f'images   none: put them into {places}, called like their labels')
        (exporter.part / 'data.yaml').write_bytes(text.encode())
    exporter.finish(record(args, meta, export, results))
    return report(args, meta, export, results)


def maker(args: argparse.Namespace, meta: dict, choice: dict) -> Callable[[Path], Export]:
    """Return what makes the export, given its folder."""
    options: dict = {}
    if args.to == 'coco':
        options = dict(polygons=args.polygons, category_ids=meta.get('category_ids'))
    elif args.to == 'yolo-seg':
        options = dict(polygons=args.polygons)
    elif args.to == 'samrs':
        options = dict(palette=meta['palette'])
    elif args.to == 'gis':
        root = Path(args.folder)
        options = dict(
            annotated=root,
            data_root=follow(meta['data_root'], root),
            policy=meta['settings']['overlap_policy'],
            filters=MaskFilters.from_config(meta['settings'].get('filters')),
            crs=(meta['settings'].get('dataset') or {}).get('scene_crs'),
        )
    elif args.to == 'labelme':
        options = choice
    elif args.to == 'refsegrs':
        options = dict(images=args.images)
    return partial(EXPORTS[args.to], classes=meta['classes'], **options)


def choose(
    args: argparse.Namespace, meta: dict, parts: dict[str, list[LabelledImage]]
) -> dict[str, Any]:
    """Return which boxes LabelMe is to show; images without any are taken out of the parts.

    Raises:
        RefusedError: An unknown class, or nothing is chosen.
    """
    for name in args.categories or ():
        if name not in meta['classes']:
            raise RefusedError(f'--class {name!r}: classes are {", ".join(meta["classes"])}')
    choice = dict(statuses=args.status, categories=args.categories)
    stems = {image.stem for images in parts.values() for image in images}
    if args.boxes:
        listed = read_choice(args.boxes)
        chosen = {stem: listed[stem] for stem in stems & listed.keys()}
    elif args.worst:
        rows = read_ledger(Path(args.folder, LEDGER))
        chosen = most_doubtful(rows, args.worst, stems, args.status, args.categories)
    else:
        return choice
    if not chosen:
        flag = f'--boxes {args.boxes}' if args.boxes else f'--worst {args.worst}'
        raise RefusedError(f'{flag}: no mask is of this choice')
    for name, images in parts.items():
        parts[name] = [image for image in images if image.stem in chosen]
    return choice | dict(chosen=chosen)


def chosen(images: list[LabelledImage], args: argparse.Namespace) -> dict[str, list[LabelledImage]]:
    """Return the images of each list by its name; all of them under '' where there is no list.

    Raises:
        RefusedError: A list can't be read, is empty, or names something twice or unknown.
    """
    if not args.list:
        if not images:
            raise RefusedError(f'{args.folder}: no image is annotated yet')
        return {'': images}
    by_stem = {image.stem: image for image in images}
    parts = {}
    for file in args.list:
        path = Path(args.folder, file)
        try:
            names = read_list(path)
        except RefusedError as error:
            raise RefusedError(f'--list: {error}; make_splits.py writes lists') from error
        unknown = [name for name in names if name not in by_stem]
        if unknown or not names or len(set(names)) < len(names):
            what = f'{unknown[0]!r} is not in images.csv' if unknown else 'names an image twice'
            what = what if names else 'lists nothing'
            raise RefusedError(f'--list {path}: {what}; make it with make_splits.py')
        parts[path.stem] = [by_stem[name] for name in names]
    return parts


def by_part(
    images: list[LabelledImage], args: argparse.Namespace
) -> dict[str, list[LabelledImage]]:
    """Return the images of each part of the dataset, ``train`` first.

    Parts are those of the labels, else the lists of make_splits.py; all images are under '' where
    there is neither.

    Raises:
        RefusedError: As ``chosen``.
    """
    parts: dict[str, list[LabelledImage]] = {}
    for image in images:
        parts.setdefault(image.split, []).append(image)
    if parts.keys() <= {''}:
        lists = [name for name in ('train.txt', 'val.txt') if Path(args.folder, name).is_file()]
        if len(lists) == 2:
            print(f'parts    {" and ".join(lists)} of {args.folder} (--split none: all in one)')
            args.list = lists
        return chosen(images, args)
    if '' in parts:
        print(
            f'parts    {counted(len(parts[""]), "image")} of no part of the labels '
            f'{plural(len(parts[""]), "goes", "go")} to train'
        )
        parts['train'] = [image for image in images if image.split in ('', 'train')]
        del parts['']
    return {name: parts[name] for name in sorted(parts, key=lambda name: (name != 'train', name))}


def record(
    args: argparse.Namespace, meta: dict, export: Export, results: dict[str, ExportCounts]
) -> dict:
    """Return the content of ``export.json``."""
    return dict(
        format=args.to,
        polygons=args.polygons,
        images=args.images,
        classes=meta['classes'],
        **({'category_ids': meta['category_ids']} if 'category_ids' in meta else {}),
        overlap_policy=meta['settings'].get('overlap_policy'),
        signature=meta.get('signature'),
        partial=bool(meta.get('partial')),
        unlabelled=export.unlabelled,
        losses=export.losses,
        subsets={
            name: dict(
                images=result.images,
                instances=result.counts[INSTANCES],
                **as_read(result),
                lost={key: result.counts[key] for key in export.losses},
                left_out=dict(sorted(result.left_out.items())),
                failed=result.failures,
            )
            for name, result in results.items()
        },
    )


def as_read(result: ExportCounts) -> dict:
    """Return the mean IoU of masks and their polygons as readers make masks of them, by rule."""
    number = result.counts[INSTANCES]
    if not number or 'iou_coco' not in result.counts:
        return {}
    return {name: round(result.counts[name] / number, 4) for name in ('iou_coco', 'iou_opencv')}


def report(
    args: argparse.Namespace, meta: dict, export: Export, results: dict[str, ExportCounts]
) -> int:
    """Print the closing lines; return the exit code."""
    failed = 0
    for name, result in results.items():
        tell_failures(result.failures)
        failed += len(result.failures)
        images, failures = counted(result.images, 'image'), counted(len(result.failures), 'image')
        print(f'{name or "images":8} {images}, {counted(result.counts[INSTANCES], export.unit)}'
              + (f'; {failures} failed' if result.failures else ''))  # fmt: skip
        rest = [k for k in result.left_out if k not in (*REGIONS, *HELD)]
        for statuses, why in (
            (HELD, 'masks that --status leaves out'),
            (rest, 'boxes without a mask to export'),
            (REGIONS, f'regions that are no objects; {args.to} has no place for them'),
        ):
            lost = {k: n for k, n in result.left_out.items() if k in statuses}
            if lost:
                left_out = ', '.join(f'{count} {name}' for name, count in lost.items())
                print(f'left out {left_out}: {why}')
        if number := result.counts['regions']:
            regions = counted(number, 'region that is no object', 'regions that are no objects')
            print(f'crowd    {regions}, iscrowd 1')
        if read := as_read(result):
            print(f"as read  mean IoU {read['iou_coco']:.3f} by COCO's rule, "
                  f'{read["iou_opencv"]:.3f} by cv2.fillPoly (see --polygons)')  # fmt: skip
        for key, what in export.losses.items():
            if result.counts[key]:
                print(f'lost     {result.counts[key]} {what}')
        if result.turned:
            count = len(result.turned)
            print(f'EXIF     {counted(count, "image is", "images are")} turned by EXIF; '
                  'labels are in stored pixels, but OpenCV and trainers turn the picture; take the '
                  f'tag out of the images: {some(result.turned)}')  # fmt: skip
    if not any(result.counts[key] for result in results.values() for key in export.losses):
        print('lost     nothing of the masks')
    print(f'255      {export.unlabelled}')
    if meta.get('partial'):
        print('partial  the folder is: only images that are annotated so far are exported')
    print(f'written  {args.out}')
    return 1 if failed else 0


if __name__ == '__main__':
    sys.exit(main())
