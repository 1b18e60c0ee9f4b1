"""Label maps that two computations of the same scores have to agree on."""

import numpy as np


def assert_best_class(labels, scores, atol=1e-5, rtol=1.3e-6):
    """Each label is the class of the best score, as far as the scores are known.

    Batches of another size, other threads and other processors round differently: two scores that
    are both right may differ by ``atol + rtol * |score|``, so a label may be any class whose score
    is within twice that of the best. Where no other class is that near, only the best is right.

    Args:
        labels: ``(H, W)`` or ``(1, H, W)`` class indices.
        scores: ``(K, H, W)``, logits or probabilities of the same image, computed anyhow.
        atol: Absolute part of the tolerance that the scores are compared with.
        rtol: Relative part; both are those of ``torch.testing`` in float32.
    """
    scores = np.asarray(scores, np.float64)
    labels = np.asarray(labels).reshape(scores.shape[1:])
    best = scores.max(0)
    tolerance = 2 * (atol + rtol * np.abs(best))
    near = (scores >= best - tolerance).sum(0) > 1
    assert near.mean() < 0.01, f'{near.mean():.1%} of the pixels are ties, which say nothing'
    chosen = np.take_along_axis(scores, labels[None].astype(int), 0)[0]
    wrong = np.argwhere(chosen < best - tolerance)
    assert not len(wrong), (
        f'{len(wrong)} of {labels.size} labels are not of the best class, such as '
        f'{labels[tuple(wrong[0])]} at (y, x) = {tuple(wrong[0].tolist())}'
    )
