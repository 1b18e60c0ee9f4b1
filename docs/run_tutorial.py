"""Run docs/tutorial.ipynb and store in it what it prints and draws: python docs/run_tutorial.py."""

import sys
import tempfile
from pathlib import Path

import nbformat
from nbclient import NotebookClient

NOTEBOOK = Path(__file__).with_name('tutorial.ipynb')


def execute(folder: Path, timeout: int = 1800) -> nbformat.NotebookNode:
    """Return the notebook as it stands after a run in a folder.

    Raises:
        nbclient.exceptions.CellExecutionError: A cell failed.
    """
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    place = dict(metadata=dict(path=str(folder)))
    client = NotebookClient(notebook, timeout=timeout, resources=place, record_timing=False)
    return client.execute()


def main() -> int:
    """Run it in a temporary folder, and write it back."""
    with tempfile.TemporaryDirectory() as folder:
        notebook = execute(Path(folder))
    notebook.metadata.language_info = dict(name='python')  # no version: it differs with the machine
    nbformat.write(notebook, NOTEBOOK)
    print(f'{NOTEBOOK}: {NOTEBOOK.stat().st_size / 1e3:.0f} kB')
    return 0


if __name__ == '__main__':
    sys.exit(main())
