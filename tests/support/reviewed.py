"""A small annotated folder under review, and a client that knows its token."""

from pathlib import Path

from folders import CONFIG, load_tool, write_dota

PORT, TOKEN = 8321, 'a token'


def annotated(root: Path, scenes: int = 3, model: str = 'BoxFillSegmentor') -> Path:
    """Annotate small scenes below a folder; return the annotated folder."""
    data = write_dota(root / 'dota', scenes=scenes)
    argv = [CONFIG, '--data-root', str(data), '--out', str(root / 'out'), '--workers', '0']
    assert load_tool('sam_annotate').main([*argv, '--cfg-options', f'model.type={model}']) == 0
    return root / 'out'


def client_of(session, token: str = TOKEN, prompter=None, **headers: str):
    """Return a client of a session's application."""
    from starlette.testclient import TestClient

    from samrs_mm.review.server.app import make_app

    app = make_app(session, TOKEN, PORT, prompter)
    about = {'Authorization': f'Bearer {token}', **headers}
    return TestClient(app, f'http://127.0.0.1:{PORT}', headers=about)
