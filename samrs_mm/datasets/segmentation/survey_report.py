"""What follows from a survey of labels: refusals, warnings, a table."""

from collections.abc import Iterator, Sequence

from samrs_mm.core.classes import UNLABELLED
from samrs_mm.core.wording import counted, plural
from samrs_mm.datasets.segmentation.label_survey import Survey

_MOSTLY = 0.99
"""Share of 255 above which a source is warned of."""
_SHOWN = 5


def refusals(survey: Survey, alone: bool = False) -> Iterator[str]:
    """Yield why training on a source could teach nothing, or would end.

    ``alone`` says that the network learns a class even if it has no other, as those do that
    predict masks; a classifier of one class has loss 0 from the start.
    """
    name, rest = f'source {survey.source}', len(survey.faults) - 1
    if len(survey.classes) == 1 and not alone:
        yield (
            f'{name}: one class ({survey.classes[0]}), so there is nothing to tell it from and the '
            'loss is 0: name what it is told from as a class of its own, such as background, and '
            'give its pixels that value instead of 255'
        )
    elif survey.faults:
        more = f' ({rest} more of {counted(survey.looked, "label")} looked at)' if rest else ''
        yield f'{name}: {survey.faults[0]}{more}'
    elif survey.looked and not survey.met:
        yield (
            f'{name}: no pixel of any class in {survey.extent()}: all are {UNLABELLED}, which is '
            f'not trained on{_zero(survey)}; see its labels, or leave it out'
        )
    elif len(survey.met) == 1 and not alone:
        yield (
            f'{name}: every labelled pixel of {survey.extent()} is {survey.named(survey.met[0])}; '
            f'no pixel of {_some(survey, _absent(survey))}, so there is nothing to learn'
            f'{_masks(survey)}{_zero(survey)}'
        )


def warnings(survey: Survey) -> Iterator[str]:
    """Yield what training can go on with, though perhaps not as meant."""
    if survey.blind or not survey.met:
        return
    name, absent = f'source {survey.source}', _absent(survey)
    if absent and survey.whole and len(survey.met) > 1:
        zero = _zero(survey) if absent == [len(survey.classes) - 1] else ''
        yield (
            f'{name}: no pixel of {_some(survey, absent)} in {survey.extent()}: it cannot be '
            f'learned, nor scored{_masks(survey)}{zero}'
        )
    if survey.ignored > _MOSTLY:
        yield (
            f'{name}: {survey.ignored:.1%} of the pixels of {survey.extent()} are {UNLABELLED}, '
            'which is not trained on'
        )


def table(train: Survey, val: Survey | None) -> list[str]:
    """Return the lines of what a source holds: the share of each class among all pixels."""
    sides = [('train', train)] + ([('val', val)] if val else [])
    held = ', '.join(
        f'{name} {survey.images:,} {plural(survey.images, "image")}'
        + (
            ' (labels not looked at)'
            if survey.blind
            else f' ({survey.looked:,} {plural(survey.looked, "label")} looked at)'
        )
        for name, survey in sides
    )
    lines = [f'source {train.source}: {held}']
    seen = [(name, survey) for name, survey in sides if not survey.blind]
    if not seen:
        return lines
    rows = [*enumerate(train.classes), (UNLABELLED, 'not labelled')]
    width = max(len(name) for _, name in rows)
    lines.append('  '.join([f'value  {"class":{width}}', *(f'{name:>8}' for name, _ in seen)]))
    for value, name in rows:
        shares = (survey.share(value) for _, survey in seen)
        cells = (f'{share:8.2%}' if share else f'{"none":>8}' for share in shares)
        lines.append('  '.join([f'{value:5}  {name:{width}}', *cells]))
    return lines


def _absent(survey: Survey) -> list[int]:
    return [value for value in range(len(survey.classes)) if value not in survey.met]


def _some(survey: Survey, values: Sequence[int]) -> str:
    shown = ', '.join(survey.named(value) for value in values[:_SHOWN])
    return shown + (f' and {len(values) - _SHOWN} more' if len(values) > _SHOWN else '')


def _masks(survey: Survey) -> str:
    """Ask about 0/255 masks, where a class is missing and 255 is there."""
    if not survey.counts[UNLABELLED]:
        return ''
    masks = survey.met == [0] and not survey.reduced
    ask = '; are these 0/255 masks? Save 1 instead of 255 then' if masks else ''
    return f'; {UNLABELLED} ({survey.ignored:.1%} of the pixels) means unlabelled{ask}'


def _zero(survey: Survey) -> str:
    if not survey.reduced:
        return ''
    return (
        '; with reduce_zero_label class 0 is value 1 and 0 is ignored: if classes begin at 0, take '
        'it out'
    )
