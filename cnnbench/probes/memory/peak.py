"""The high-water mark of a piece of work: of this process as the system saw it, or of a GPU."""

from __future__ import annotations

import ctypes
import gc
import mmap
import os
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cnnbench.errors import Unavailable

_STATUS, _CLEAR = Path("/proc/self/status"), Path("/proc/self/clear_refs")
_STAT, _STAT_RSS = Path("/proc/self/stat"), 21  # proc_pid_stat(5): the field after the name
_RESET_PEAK = "5"  # proc(5): resets VmHWM to the current resident set


@dataclass(frozen=True)
class Peak:
    """Bytes before the work, and the most that were in use during it."""

    before: int
    highest: int

    @property
    def bytes(self) -> int:
        """What the work needed on top of what was there."""
        return max(0, self.highest - self.before)


_M_MMAP_THRESHOLD = -3  # malloc.h
_LARGE = 64 * 2**10
_SETTLING = 4 * 2**20
_LARGEST_HOLE = 64 * 2**20
_MALLINFO2 = "arena ordblks smblks hblks hblkhd usmblks fsmblks uordblks fordblks keepcost"


class _Mallinfo2(ctypes.Structure):
    """``struct mallinfo2`` of malloc.h; ``hblks`` counts the blocks that have a mapping each."""

    _fields_ = [(name, ctypes.c_size_t) for name in _MALLINFO2.split()]


def return_freed_memory() -> None:
    """Have the C library give every freed block of 64 KiB and more back to the system at once.

    By default it keeps them, and a later need for as much is met unseen: MobileNetV2's 9.7 MB for
    one image showed as 4 MB after a warm-up. Slower; so only where memory is what is measured.

    What was freed before lies in holes of the heap, which are used before a
    mapping is asked for, and whose pages stay when they are freed once more. Their pages are given
    back now, and they are filled with blocks that nobody touches and nobody frees.
    """
    with suppress(OSError, AttributeError):  # a C library without them
        library = ctypes.CDLL(None)
        library.mallopt(_M_MMAP_THRESHOLD, _LARGE)
        library.malloc_trim(0)
        _fill_holes(library)


def without_tensorflow_pool() -> None:
    """Have TensorFlow ask the C library for its memory; only before its first tensor.

    On CPUs with VNNI it computes with oneDNN by default, and then has a pool that gives nothing
    back and rounds up: 121 MB where 101 MB were alive.
    """
    os.environ["TF_ONEDNN_USE_SYSTEM_ALLOCATOR"] = "1"


def _fill_holes(library: ctypes.CDLL) -> None:
    library.mallinfo2.restype = _Mallinfo2
    library.malloc.restype = ctypes.c_void_p
    size = _LARGEST_HOLE
    while size >= _LARGE:
        mappings = library.mallinfo2().hblks
        block = library.malloc(ctypes.c_size_t(size))
        if not block or library.mallinfo2().hblks > mappings:  # no hole is as large as that
            library.free(ctypes.c_void_p(block))
            size //= 2


def of_process(work: Callable[[], Any]) -> Peak:
    """Do ``work`` and return its peak in the resident set: nothing is sampled.

    The mark is kept with a counter to which every processor adds a number of pages at a time
    (Linux since 6.2, mm/percpu_counter: 32, or twice the number of processors where that is more),
    so that is what it is compared with: ``VmRSS`` of newer kernels adds up what the processors
    still hold back, and lay 10 MB above the mark on a machine with many. What they held back
    before the work is settled first.

    Memory that threads of earlier work freed is seen only where `return_freed_memory` was called
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
    # A mark that lies below the exact resident set is not shown; the peak is then what is held now.
    return Peak(before, highest if highest > _field(status, "VmRSS") else _counted())


def _settle_counter() -> None:
    """Have every processor add up the private pages it counted for this process.

    One that counts as many at once as in freeing a large block leaves nothing behind.
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
    """The resident set in bytes as the system's running counter has it, like the mark."""
    fields = _STAT.read_text().rpartition(")")[2].split()
    return int(fields[_STAT_RSS]) * mmap.PAGESIZE


def of_gpu(work: Callable[[], Any], experimental: Any | None = None, device: str = "GPU:0") -> Peak:
    """Do ``work`` and return its peak in TensorFlow's own counter of a device.

    Args:
        work: waits for the device before it returns.
        experimental: has ``reset_memory_stats`` and ``get_memory_info``; by default
            ``tf.config.experimental``.
        device: which one.
    """
    if experimental is None:
        import tensorflow as tf

        experimental = tf.config.experimental
    experimental.reset_memory_stats(device)
    before = int(experimental.get_memory_info(device)["current"])
    work()
    return Peak(before, int(experimental.get_memory_info(device)["peak"]))


def resident() -> int:
    """The resident set of this process in bytes; 0 where the system does not tell."""
    try:
        return _status("VmRSS")
    except OSError:
        return 0


def data_segment() -> int:
    """What ``RLIMIT_DATA`` is held against, in bytes; 0 where the system does not tell."""
    try:
        return _status("VmData")
    except OSError:
        return 0


def _status(name: str) -> int:
    return _field(_STATUS.read_text(), name)


def _field(status: str, name: str) -> int:
    for line in status.splitlines():
        if line.startswith(f"{name}:"):
            return int(line.split()[1]) * 1024
    raise OSError(f"no {name} in {_STATUS}")
