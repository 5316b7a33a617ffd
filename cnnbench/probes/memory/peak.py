"""Peak memory during a function call: of this process as the kernel counts it, or of a GPU."""

from __future__ import annotations

import ctypes
import gc
import mmap
import os
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cnnbench.errors import Unavailable

if TYPE_CHECKING:
    import numpy as np

    from cnnbench.probes.latency.runtimes import Runtime

_STATUS, _CLEAR = Path("/proc/self/status"), Path("/proc/self/clear_refs")
_STAT, _STAT_RSS = Path("/proc/self/stat"), 21  # proc_pid_stat(5); index after the name
_RESET_PEAK = "5"  # proc(5): resets VmHWM to the current resident set
_M_MMAP_THRESHOLD = -3  # malloc.h
_LARGE = 64 * 2**10
_SETTLING = 4 * 2**20
_LARGEST_HOLE = 64 * 2**20
_MALLINFO2 = "arena ordblks smblks hblks hblkhd usmblks fsmblks uordblks fordblks keepcost"


@dataclass(frozen=True)
class Peak:
    """Bytes in use before the work, and at most during it."""

    before: int
    highest: int

    @property
    def bytes(self) -> int:
        """Bytes that the work needed on top of those in use before."""
        return max(0, self.highest - self.before)


class _Mallinfo2(ctypes.Structure):
    """``struct mallinfo2`` of malloc.h; ``hblks`` counts the blocks that have a mapping each."""

    _fields_ = [(name, ctypes.c_size_t) for name in _MALLINFO2.split()]


def return_freed_memory() -> None:
    """Make the C library return every freed block of 64 KiB and more to the system at once.

    By default it keeps them, so that a later allocation of the same size is not seen: MobileNetV2's
    9.7 MB for one image showed as 4 MB after a warm-up. Slower, so only for measuring memory.

    Memory freed earlier lies in holes of the heap, which are reused before a new mapping is made,
    and whose pages stay resident when they are freed again. Their pages are returned now, and the
    holes are filled with blocks that are never touched nor freed.
    """
    with suppress(OSError, AttributeError):  # a C library without these functions
        library = ctypes.CDLL(None)
        library.mallopt(_M_MMAP_THRESHOLD, _LARGE)
        library.malloc_trim(0)
        _fill_holes(library)


def without_tensorflow_pool() -> None:
    """Make TensorFlow allocate through the C library; call it before the first tensor.

    On CPUs with VNNI it uses oneDNN by default, with a pool that rounds up and never returns
    memory: 121 MB where 101 MB were alive.
    """
    os.environ["TF_ONEDNN_USE_SYSTEM_ALLOCATOR"] = "1"


def _fill_holes(library: ctypes.CDLL) -> None:
    library.mallinfo2.restype = _Mallinfo2
    library.malloc.restype = ctypes.c_void_p
    size = _LARGEST_HOLE
    while size >= _LARGE:
        mappings = library.mallinfo2().hblks
        block = library.malloc(ctypes.c_size_t(size))
        if not block or library.mallinfo2().hblks > mappings:  # no hole is that large
            library.free(ctypes.c_void_p(block))
            size //= 2


def of_process(work: Callable[[], Any]) -> Peak:
    """Call ``work`` and return its peak resident set, from the kernel's mark: nothing is sampled.

    The kernel keeps the mark with a counter to which every processor adds pages in batches (Linux
    since 6.2, mm/percpu_counter: 32, or twice the number of processors if that is more). The mark
    is therefore compared with that counter: ``VmRSS`` of newer kernels includes pages not yet
    added, and was 10 MB above the mark on a machine with many processors. Pages of earlier work
    are added before ``work`` begins.

    Memory that threads of earlier work freed is seen only if `return_freed_memory` was called
    before they started.

    Raises:
        Unavailable: the system keeps no such mark (only Linux does).
    """
    gc.collect()
    return_freed_memory()
    _settle_counter()
    try:
        _CLEAR.write_text(_RESET_PEAK)
    except OSError:
        raise Unavailable("measured memory needs Linux' /proc/self/clear_refs") from None
    before = _counted()
    work()
    status = _STATUS.read_text()
    highest = _field(status, "VmHWM")
    # The kernel shows no mark below the exact resident set; the peak is then the current use.
    return Peak(before, highest if highest > _field(status, "VmRSS") else _counted())


def of_opening(runtime: Runtime, image: np.ndarray) -> Peak:
    """Return the peak of opening a runtime's file and calling it once.

    It includes weights, packed weights and activations.

    Raises:
        Unavailable: as `of_process`.
    """

    def first_answer() -> None:
        runtime.load()
        runtime.compile(image)
        runtime.call(runtime.feed(image))

    return of_process(first_answer)


def _settle_counter() -> None:
    """Make every processor add its pending private pages of this process to the counter.

    Freeing a large block exceeds the batch size, which adds everything that is pending.
    """
    with suppress(OSError, AttributeError):  # a system without affinity, or that forbids it
        allowed = os.sched_getaffinity(0)  # of this thread alone
        for processor in allowed:
            os.sched_setaffinity(0, {processor})
            with mmap.mmap(-1, _SETTLING, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS) as block:
                for page in range(0, _SETTLING, mmap.PAGESIZE):
                    block[page] = 1
        os.sched_setaffinity(0, allowed)


def _counted() -> int:
    """Return the resident set in bytes by the same counter as the mark."""
    fields = _STAT.read_text().rpartition(")")[2].split()
    return int(fields[_STAT_RSS]) * mmap.PAGESIZE


def of_gpu(work: Callable[[], Any], experimental: Any | None = None, device: str = "GPU:0") -> Peak:
    """Call ``work`` and return its peak by TensorFlow's own counter of a device.

    Args:
        work: must wait for the device before it returns.
        experimental: has ``reset_memory_stats`` and ``get_memory_info``; by default
            ``tf.config.experimental``.
        device: name of the device.
    """
    if experimental is None:
        import tensorflow as tf

        experimental = tf.config.experimental
    experimental.reset_memory_stats(device)
    before = int(experimental.get_memory_info(device)["current"])
    work()
    return Peak(before, int(experimental.get_memory_info(device)["peak"]))


def status_bytes(name: str) -> int:
    """Return a field of this process's status in bytes; 0 if the system does not report it.

    ``VmRSS`` is the resident set, ``VmData`` the size that ``RLIMIT_DATA`` limits.
    """
    try:
        return _field(_STATUS.read_text(), name)
    except OSError:
        return 0


def _field(status: str, name: str) -> int:
    for line in status.splitlines():
        if line.startswith(f"{name}:"):
            return int(line.split()[1]) * 1024
    raise OSError(f"no {name} in {_STATUS}")
