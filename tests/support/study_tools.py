"""What stands in for the tools in tests of studies."""

import json

from samrs_mm.core.errors import SamrsError


class Tools:
    """Notes the calls of a study, and writes what it looks for.

    Args:
        monkeypatch: Takes the tools' place.
        study: The study's module.
        prepare: What to do in place of its ``prepare``.
        weights: Return the name of the file that a training leaves, by its folder's.
        scores: Return the scores that a test leaves, by its folder's name.
        die_after: Calls before the study is killed.
    """

    def __init__(self, monkeypatch, study, prepare, weights, scores, die_after=None):
        self.calls, self.die_after = [], die_after
        self.weights, self.scores = weights, scores
        monkeypatch.setattr(study, 'prepare', prepare)
        monkeypatch.setattr(study.Place, 'tool', lambda place, *args, **_: self(place, *args))

    def __call__(self, place, name, *args):
        if len(self.calls) == self.die_after:
            raise SamrsError('killed')
        words = [str(word) for word in args]
        self.calls.append((name, words))
        work = place.folder / words[words.index('--work-dir') + 1]
        work.mkdir(parents=True, exist_ok=True)
        if name == 'train':
            (work / self.weights(work.name)).touch()
            (work / 'last_checkpoint').touch()
        else:
            (work / 'metrics.json').write_text(json.dumps(self.scores(work.name)))
