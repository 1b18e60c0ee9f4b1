"""Reads spoiled files: what a reader may answer, and how a fault is told from it."""

import contextlib
import hashlib
import io
import shutil
import traceback
import warnings
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from fuzz.mutations import mutated
from fuzz.targets import Target
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from samrs_mm.core.errors import SamrsError


class Bench:
    """A target's folder, of which one file at a time is spoiled, read and restored."""

    def __init__(self, target: Target, folder: Path):
        self.target, self.root = target, folder / 'data'
        target.build(self.root)
        self.good = {name: (self.root / name).read_bytes() for name in target.files}

    def inputs(self) -> st.SearchStrategy[tuple[str, bytes]]:
        """Return what to try: a file's name, and bytes in its place."""
        seeds = st.sampled_from(self.target.files)
        return seeds.flatmap(lambda name: st.tuples(st.just(name), mutated([self.good[name]])))

    def read(self, name: str, data: bytes) -> None:
        """Read the folder with a spoiled file.

        A clear refusal is fine, and so is a system's error that names a file; anything else that is
        raised is a fault.
        """
        path, said, refusal = self.root / name, io.StringIO(), ''
        path.write_bytes(data)
        try:
            with (
                contextlib.redirect_stdout(said),
                contextlib.redirect_stderr(said),
                warnings.catch_warnings(),
            ):
                warnings.simplefilter('error', RuntimeWarning)
                self.target.read(self.root)
        except SamrsError as error:
            refusal = str(error)
        except OSError as error:
            if error.filename is None:
                raise
        finally:
            path.write_bytes(self.good[name])
            shutil.rmtree(f'{self.root}.out', ignore_errors=True)
        assert '\n' not in refusal, f'more than one line: {refusal}'
        assert 'Traceback' not in said.getvalue(), said.getvalue()


@dataclass
class Findings:
    """What came of spoiling a target's files."""

    inputs: int = 0
    faults: Counter[str] = field(default_factory=Counter)
    """How often, by place."""
    smallest: dict[str, tuple[str, bytes, str]] = field(default_factory=dict)
    """File, content and traceback of the shortest input, by place."""


def place_of(error: BaseException) -> str:
    """Return the innermost line of ours that an error came through."""
    frames = traceback.extract_tb(error.__traceback__)
    ours = [frame for frame in frames if 'samrs_mm/' in frame.filename.replace('\\', '/')]
    frame = (ours or frames)[-1]
    return f'{type(error).__name__} at {Path(frame.filename).name}:{frame.lineno}'


def search(bench: Bench, examples: int, seed: int, findings: Findings) -> None:
    """Try inputs; a fault is written down, and the search goes on."""
    from hypothesis import seed as seeded

    @seeded(seed)
    @settings(
        max_examples=examples,
        database=None,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(bench.inputs())
    def attempt(case: tuple[str, bytes]) -> None:
        findings.inputs += 1
        try:
            bench.read(*case)
        except Exception as error:  # noqa: BLE001 (faults are what is looked for)
            place = place_of(error)
            findings.faults[place] += 1
            known = findings.smallest.get(place)
            if known is None or len(case[1]) < len(known[1]):
                findings.smallest[place] = (*case, ''.join(traceback.format_exception(error)))

    attempt()


def keep(findings: Findings, target: str, folder: Path) -> None:
    """Write the shortest input of each fault, and its traceback."""
    for place, (name, data, trace) in findings.smallest.items():
        key = hashlib.sha256(place.encode()).hexdigest()[:8]
        stem = folder / f'{target.replace(" ", "-")}-{key}'
        folder.mkdir(parents=True, exist_ok=True)
        stem.with_suffix('.input').write_bytes(data)
        stem.with_suffix('.txt').write_text(f'{place}\n{name}\n{data[:2000]!r}\n{trace}')
