"""Run uv under pip's settings, of which it reads none by itself: ``uv_like_pip.py ARGUMENTS...``.

The index, certificates and proxy that a user or a site gave pip hold for uv too. uv's own variables
win. Where pip has a setting that uv can't be given, the exit code is 3 and nothing is installed.
"""

import ast
import os
import subprocess
import sys

VARIABLES = {
    'index-url': 'UV_DEFAULT_INDEX',
    'extra-index-url': 'UV_INDEX',
    'find-links': 'UV_FIND_LINKS',
    'trusted-host': 'UV_INSECURE_HOST',
    'constraint': 'UV_CONSTRAINT',
    'cert': 'SSL_CERT_FILE',
    'client-cert': 'SSL_CLIENT_CERT',
    'proxy': 'ALL_PROXY',
}
UNKNOWN_TO_UV = (
    'no-index',
    'keyring-provider',
    'only-binary',
    'no-binary',
    'prefix',
    'target',
    'user',
)
SECTIONS = ('global', 'install', ':env:')


def pip_settings(listing: str) -> dict[str, str]:
    """Read what ``pip config list`` prints (``global.index-url='https://...'``).

    Returns:
        The values that hold for ``pip install`` by the name of the setting: the environment over
        the section ``install`` over ``global``.
    """
    found: dict[str, dict[str, str]] = {section: {} for section in SECTIONS}
    for line in listing.splitlines():
        key, _, value = line.partition('=')
        section, _, name = key.rpartition('.')
        if section in found:
            found[section][name] = ' '.join(ast.literal_eval(value).split())
    return {name: value for section in SECTIONS for name, value in found[section].items()}


def uv_variables(settings: dict[str, str], environ: dict[str, str]) -> dict[str, str]:
    """Return the variables by which uv takes pip's settings, without those the environment has.

    Raises:
        ValueError: A setting that uv can't be given; the message is its name.
    """
    for name in UNKNOWN_TO_UV:
        if settings.get(name, 'false').lower() not in ('false', 'no', 'off', '0', ''):
            raise ValueError(name)
    wanted = {VARIABLES[name]: value for name, value in settings.items() if name in VARIABLES}
    if 'UV_FIND_LINKS' in wanted:
        wanted['UV_FIND_LINKS'] = wanted['UV_FIND_LINKS'].replace(' ', ',')
    if 'UV_INDEX' in wanted:
        # As pip does it: the best match of all indexes, not of the first that knows the name.
        wanted['UV_INDEX_STRATEGY'] = 'unsafe-best-match'
    return {name: value for name, value in wanted.items() if name not in environ}


def main() -> int:
    """Hand the arguments to the uv of this environment."""
    pip = [sys.executable, '-m', 'pip', 'config', 'list']
    listing = subprocess.run(pip, check=True, capture_output=True, text=True).stdout
    try:
        variables = uv_variables(pip_settings(listing), dict(os.environ))
    except ValueError as error:
        print(f"uv can't be given pip's setting {error}", file=sys.stderr)
        return 3
    uv = [sys.executable, '-m', 'uv', *sys.argv[1:]]
    return subprocess.run(uv, env=os.environ | variables).returncode


if __name__ == '__main__':
    sys.exit(main())
