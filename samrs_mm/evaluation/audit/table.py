"""The numbers of an audit as text."""

from collections.abc import Mapping

from samrs_mm.evaluation.audit.numbers import ABOVE, Audit, Calibration, Group, Share


def table(numbers: Audit) -> str:
    """Return a row for all masks, for each group, and how good score and doubt are."""
    parts: Mapping[str, Mapping[str, Group]] = {
        '': {'all': numbers.all},
        'class': numbers.by_class,
        'size': numbers.by_size,
        'doubt': numbers.by_doubt,
    }
    width = max(len(name) for groups in parts.values() for name in groups)
    titles = [f'{f"IoU > {at:g}":>18}' for at in ABOVE]
    lines = [
        ' '.join([' ' * width, f'{"masks":>6}', *titles, 'mean IoU rejected reclassed s/mask'])
    ]
    for title, groups in parts.items():
        lines += [f'by {title}'] if title else []
        lines += [_row(name, width, each) for name, each in groups.items()]
    lines += ['', *_calibration('score', numbers.score), *_calibration('1 - doubt', numbers.doubt)]
    return '\n'.join(lines)


def _row(name: str, width: int, each: Group) -> str:
    seconds = '-' if each.seconds is None else f'{each.seconds:.1f}'
    cells = [f'{name:<{width}}', f'{each.masks:>6}', *map(_share, each.above)]
    counts = f'{each.mean_iou:>8.3f} {each.rejected:>8} {each.reclassed:>9} {seconds:>6}'
    return ' '.join([*cells, counts])


def _share(share: Share) -> str:
    text = f'{100 * share.share:.1f} ({100 * share.low:.0f}..{100 * share.high:.0f}) %'
    return f'{text:>18}'


def _calibration(name: str, found: Calibration | None) -> list[str]:
    if found is None:
        return [f'{name}: the masks have none']
    order = 'none' if found.order is None else f'{found.order:.2f}'
    lines = [
        f'{name} against the IoU, {found.masks} masks: off by {found.error:.3f}, '
        f'rank correlation {order}',
        f'  {"from":>6} {"to":>6} {"masks":>6} {"said":>6} {"IoU":>6}',
    ]
    return lines + [
        f'  {each.low:>6.3f} {each.high:>6.3f} {each.masks:>6} {each.said:>6.3f} {each.true:>6.3f}'
        for each in found.bins
    ]
