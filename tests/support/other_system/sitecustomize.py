"""Python imports this first, where this folder is on its path: it then lacks what Windows lacks.

No process is forked, no link made, no folder opened, nothing renamed over a folder, no file
renamed, replaced or removed while it is open, and modules of Unix are unknown to our own code.
Processes that a tool starts lack all that as well. What libraries do by the system's name stays.
"""

import builtins
import errno
import multiprocessing
import os

for name in ('fork', 'forkpty', 'sync', 'statvfs'):
    delattr(os, name)
multiprocessing.set_start_method('spawn')
import_, open_ = builtins.__import__, os.open


def _import(name, names=None, *args, **options):
    ours = str((names or {}).get('__name__')).startswith(('samrs_mm', '__m'))
    if ours and name in ('fcntl', 'grp', 'pwd', 'resource'):
        raise ModuleNotFoundError(f'No module named {name!r}')
    return import_(name, names, *args, **options)


def _open(path, *args, **options):
    if os.path.isdir(path):
        raise PermissionError(errno.EACCES, 'Permission denied', path)
    return open_(path, *args, **options)


def _refuse(*_, **__):
    raise OSError(errno.EPERM, 'A required privilege is not held by the client')


def _is_open(path) -> bool:
    """Return whether this process holds a file, or one in a folder."""
    real = os.path.realpath(path)
    for handle in os.listdir('/proc/self/fd'):
        try:
            held = os.readlink(f'/proc/self/fd/{handle}')
        except OSError:
            continue
        if held == real or held.startswith(f'{real}{os.sep}'):
            return True
    return False


def _strict(call, blocked=lambda target: False):
    """Return a call that refuses open files, and targets that are ``blocked``."""

    def strict(*paths, **options):
        for path in paths:
            if _is_open(path):
                raise PermissionError(errno.EACCES, 'The file is used by another process', path)
        if blocked(paths[-1]):
            raise PermissionError(errno.EACCES, 'Access is denied', paths[-1])
        return call(*paths, **options)

    return strict


builtins.__import__, os.open = _import, _open
os.symlink = os.link = _refuse
os.rename, os.replace = _strict(os.rename, os.path.lexists), _strict(os.replace, os.path.isdir)
os.unlink = os.remove = _strict(os.unlink)
