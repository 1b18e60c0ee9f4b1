"""RRSIS-D: phrases in a pickle of REFER's, masks in a file of COCO's kind with its own keys."""

import json
import pickle
from collections.abc import Collection
from pathlib import Path
from typing import Any

from samrs_mm.core.errors import LabelReadError
from samrs_mm.formats.plain_pickle import load_plain
from samrs_mm.formats.referring.triplets import Triplet, Triplets

NAME = 'RRSIS-D'
INSTANCES, REFS = 'rrsisd/instances.json', 'rrsisd/refs(unc).p'
IMAGES = 'images/rrsisd/JPEGImages'


def read_rrsisd(root: Path, split: str | None = None) -> Triplets:
    """Return the phrases of RRSIS-D, of one part or of all.

    Of an annotation only the category (``categories_id`` there, ``category_id`` in COCO files) and
    the segmentation are taken (run lengths in a list): ``bbox`` is x0, y0, x1, y1, and ``area`` is
    not that of the mask.

    Raises:
        LabelReadError: A file can't be read, is no such file, or is a pickle that asks for code.
    """
    coco, refs = _instances(root / INSTANCES), _refs(root / REFS)
    folder = root / IMAGES
    there = {path.name for path in folder.iterdir()} if folder.is_dir() else set()
    images = {each.get('id'): each for each in coco['images']}
    annotations = {each.get('id'): each for each in coco['annotations']}
    found = Triplets(NAME, single=True)
    found.categories = {each.get('id'): str(each.get('name')) for each in coco['categories']}
    for number, ref in enumerate(refs):
        place = f'{REFS}:{number}'
        if not isinstance(ref, dict):
            found.problems[place] = f'{ref!r:.60}; expected a dict'
            continue
        if split is not None and ref.get('split') != split:
            continue
        annotation = annotations.get(ref.get('ann_id'))
        image = images.get(ref.get('image_id'))
        problem = _problem(ref, annotation, image, found.categories, there)
        if problem:
            found.problems[place] = problem
            continue
        assert annotation is not None
        assert image is not None
        common = dict(
            image=f'{IMAGES}/{image["file_name"]}',
            split=str(ref.get('split', '')),
            category=found.categories[_category(annotation)],
            segmentation=annotation['segmentation'],
            size=(image['width'], image['height']),
            target=f'{INSTANCES}:annotations[{ref["ann_id"]}]',
        )
        for k, sentence in enumerate(_sentences(ref)):
            found.triplets.append(Triplet(f'{place}:{k}', phrase=sentence, **common))
    return found


def _problem(
    ref: dict, annotation: dict | None, image: dict | None, categories: dict,
    there: Collection[str],
) -> str:  # fmt: skip
    """Return why a reference can't be taken; empty where it can."""
    if annotation is None:
        return f'ann_id {ref.get("ann_id")!r:.40}: no such annotation in {INSTANCES}'
    if image is None:
        return f'image_id {ref.get("image_id")!r:.40}: no such image in {INSTANCES}'
    if image.get('file_name') not in there:
        return f'no file {image.get("file_name")!r:.60} in {IMAGES}'
    if not all(type(image.get(key)) is int and image[key] > 0 for key in ('width', 'height')):
        return f'image {image.get("file_name")}: no width and height in {INSTANCES}'
    if annotation.get('image_id') != ref.get('image_id'):
        return f'ann_id {ref["ann_id"]} is of image {annotation.get("image_id")!r:.40}, not of its'
    if _category(annotation) not in categories:
        return f'categories_id {_category(annotation)!r:.40}: no such category in {INSTANCES}'
    if not annotation.get('segmentation'):
        return f'annotation {ref["ann_id"]} has no segmentation'
    if not _sentences(ref):
        return 'no sentence'
    return ''


def _category(annotation: dict) -> Any:
    return annotation.get('categories_id', annotation.get('category_id'))


def _sentences(ref: dict) -> list[str]:
    """Return the phrases of a reference: ``sent`` is ``raw`` without punctuation."""
    sentences = ref.get('sentences')
    texts = [
        str(each.get('sent') or each.get('raw') or '')
        for each in (sentences if isinstance(sentences, list) else ())
        if isinstance(each, dict)
    ]
    return [' '.join(text.split()) for text in texts if text.strip()]


def _instances(path: Path) -> dict[str, list[dict]]:
    try:
        data = json.loads(path.read_bytes())
    except OSError as error:
        raise LabelReadError(f'{path}: cannot read the label file: {error.strerror}') from error
    except (ValueError, RecursionError) as error:
        raise LabelReadError(f'{path}: not JSON: {error}') from error
    lists = {}
    for key in ('images', 'annotations', 'categories'):
        value = data.get(key) if isinstance(data, dict) else None
        if not isinstance(value, list) or not all(isinstance(each, dict) for each in value):
            raise LabelReadError(f'{path}: {key} is {value!r:.40}; expected a list of objects')
        lists[key] = value
    return lists


def _refs(path: Path) -> list:
    try:
        refs = load_plain(path.read_bytes())
    except OSError as error:
        raise LabelReadError(f'{path}: cannot read the phrases: {error.strerror}') from error
    except pickle.UnpicklingError as error:
        raise LabelReadError(f'{path}: {error}') from error
    except Exception as error:  # a damaged pickle may fail with any
        raise LabelReadError(f'{path}: damaged, or no pickle ({type(error).__name__})') from error
    if not isinstance(refs, list):
        raise LabelReadError(f'{path}: holds a {type(refs).__name__}; expected a list of dicts')
    return refs
