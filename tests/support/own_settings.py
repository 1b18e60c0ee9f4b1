"""What a test file leaves set in the process is set back, since the next file begins with it."""

import multiprocessing
import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager

VARIABLES = (
    'OMP_NUM_THREADS', 'MKL_NUM_THREADS', 'CUBLAS_WORKSPACE_CONFIG', 'CUDA_VISIBLE_DEVICES', 'RANK',
    'WORLD_SIZE', 'LOCAL_RANK', 'MASTER_ADDR', 'MASTER_PORT',
)  # fmt: skip
"""Those that tools, benchmarks and mmengine's runner set in their own process."""
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1)


@contextmanager
def settings_kept() -> Iterator[None]:
    """Set back environment, folder, signal handlers, how processes start; and the libraries'."""
    environment, folder = {name: os.environ.get(name) for name in VARIABLES}, os.getcwd()
    handlers = {number: signal.getsignal(number) for number in SIGNALS}
    start = multiprocessing.get_start_method(allow_none=True)
    with _torch_kept(), _opencv_kept():
        yield
    for name, text in environment.items():
        os.environ.pop(name, None)
        if text is not None:
            os.environ[name] = text
    os.chdir(folder)
    for number, handler in handlers.items():
        if handler is not None:  # one that isn't Python's
            signal.signal(number, handler)
    multiprocessing.set_start_method(start, force=True)


@contextmanager
def _torch_kept() -> Iterator[None]:
    """Set back threads, determinism and random state; torch isn't imported for that."""
    torch = sys.modules.get('torch')
    if torch is None:
        yield
        return
    threads, exact = torch.get_num_threads(), torch.are_deterministic_algorithms_enabled()
    state = torch.get_rng_state()
    cudnn, matmul = torch.backends.cudnn, torch.backends.cuda.matmul
    flags = cudnn.benchmark, cudnn.deterministic, cudnn.allow_tf32, matmul.allow_tf32
    yield
    torch.set_rng_state(state)
    torch.set_num_threads(threads)
    if torch.are_deterministic_algorithms_enabled() != exact:
        torch.use_deterministic_algorithms(exact)
    cudnn.benchmark, cudnn.deterministic, cudnn.allow_tf32, matmul.allow_tf32 = flags


@contextmanager
def _opencv_kept() -> Iterator[None]:
    cv2 = sys.modules.get('cv2')
    threads = cv2 and cv2.getNumThreads()
    yield
    if cv2:
        cv2.setNumThreads(threads)
