"""Record a trace: short blocks of model calls, each between blocks of the reference workloads.

The rule by which the latency probe waits and leaves out disturbed blocks is chosen by replaying
candidates on such traces (`benchmarks/replay.py`). One process holds all models; they take turns,
so that each meets every state of the machine.

    python benchmarks/record_trace.py OUT.npz [--minutes 20] [--neighbour core|cache|disk]
"""

from __future__ import annotations

import argparse
import os
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import neighbours
import numpy as np
from threadpoolctl import ThreadpoolController

from cnnbench.models import registry
from cnnbench.probes.latency import calibrated_model
from cnnbench.probes.latency.runtimes import RUNTIMES
from cnnbench.probes.latency.runtimes.tensorflow_device import show_gpu
from cnnbench.probes.latency.settings import LatencySetting
from cnnbench.probes.latency.timing import no_garbage_collection, reference

MODELS = (
    ("LeNet5", "graph"),
    ("BasicCNN", "graph"),
    ("MobileNetV2", "graph"),
    ("LeNet5", "litert"),
    ("BasicCNN", "litert"),
    ("MobileNetV2", "litert"),
)
_MODEL_S, _REFERENCE_S, _SETTLE_S = 0.05, 0.01, 0.03
_BLAS = ThreadpoolController().select(user_api="blas")
_COPY_BYTES = 16 * 2**20


@dataclass
class Trace:
    """Blocks in the order in which they ran.

    Attributes:
        kinds: index of what ran, into ``names``.
        begins: seconds of the clock at each block's first call.
        calls: seconds of each call of each block.
    """

    names: list[str]
    kinds: list[int] = field(default_factory=list)
    begins: list[float] = field(default_factory=list)
    calls: list[np.ndarray] = field(default_factory=list)

    def add(self, kind: int, begin: float, seconds: list[float]) -> None:
        self.kinds.append(kind)
        self.begins.append(begin)
        self.calls.append(np.asarray(seconds, np.float32))

    def write(self, path: Path) -> None:
        """Write the trace as ``.npz``."""
        np.savez_compressed(
            path,
            names=np.array(self.names),
            kinds=np.array(self.kinds, np.int16),
            begins=np.array(self.begins),
            counts=np.array([len(block) for block in self.calls], np.int32),
            calls=np.concatenate(self.calls),
        )


def read(path: Path) -> Trace:
    """Read what `Trace.write` wrote."""
    with np.load(path) as archive:
        ends = np.cumsum(archive["counts"])
        blocks = np.split(archive["calls"], ends[:-1])
        kinds, begins = archive["kinds"].tolist(), archive["begins"].tolist()
        return Trace(archive["names"].tolist(), kinds, begins, blocks)


def copying() -> Callable[[], Any]:
    """Return a call that copies more memory than a core's own caches hold."""
    source = np.ones(_COPY_BYTES // 4, np.float32)
    target = np.empty_like(source)
    return lambda: np.copyto(target, source)


@contextmanager
def multiplying(threads: int) -> Iterator[Callable[[], Any]]:
    """Yield a call that multiplies matrices in ``threads`` threads that do not spin after it."""
    rng = np.random.default_rng(0)
    right = rng.standard_normal((384, 384), dtype=np.float32)
    lefts = [rng.standard_normal((384, 384), dtype=np.float32) for _ in range(threads)]
    results = [np.empty_like(left) for left in lefts]

    def multiply(place: int) -> None:
        np.matmul(lefts[place], right, out=results[place])

    cores = iter(sorted(os.sched_getaffinity(0)))

    def pin() -> None:
        os.sched_setaffinity(threading.get_native_id(), {next(cores)})

    # Else the scheduler wakes two threads on one core, one after the other.
    with ThreadPoolExecutor(threads, initializer=pin) as pool:
        yield lambda: list(pool.map(multiply, range(threads)))


def calling() -> Callable[[], Any]:
    """Return a call of a TensorFlow graph of forty small operations: overhead, no arithmetic."""
    import tensorflow as tf

    @tf.function(autograph=False)
    def graph(value: Any) -> Any:
        for step in range(40):
            value = tf.tanh(value) if step % 2 else value + 1.0
        return value

    small = tf.zeros((1, 16))
    graph(small)
    return lambda: graph(small).numpy()


@contextmanager
def network(name: str, runtime: str, threads: int, folder: Path) -> Iterator[Callable[[], Any]]:
    """Yield a call of the network in the runtime, with one prepared input."""
    model = registry.resolve(name)
    folder = folder / f"{name}-{runtime}"
    folder.mkdir()
    setting = LatencySetting(runtime=runtime, threads=threads)
    opened = RUNTIMES.find(runtime).create(model, setting, folder)
    opened.prepare(calibrated_model.build(model))
    opened.start()
    opened.load()
    images = calibrated_model.random_inputs(model, 1, seed=0)
    opened.compile(images)
    fed = opened.feed(images)
    yield lambda: opened.call(fed)
    opened.close()


def block(call: Callable[[], Any], seconds: float, fewest: int = 3) -> tuple[float, list[float]]:
    """Call for ``seconds`` and return when the block began and the seconds of each call."""
    found: list[float] = []
    begin = last = time.perf_counter()
    while last - begin < seconds or len(found) < fewest:
        call()
        now = time.perf_counter()
        found.append(now - last)
        last = now
    return begin, found


def set_blas_threads(count: int) -> None:
    """Set the threads of NumPy's products, of which a pool of threads must have one each."""
    for library in _BLAS.lib_controllers:
        library.set_num_threads(count)


def settle(call: Callable[[], Any]) -> None:
    """Call uncounted until the threads of what ran before sleep."""
    block(call, _SETTLE_S, fewest=1)


def record(out: Path, minutes: float, neighbour: str | None, threads: int) -> None:
    """Record a trace of ``minutes``, and write it every minute."""
    import tensorflow as tf

    # The runtimes set the same; TensorFlow takes no change once it has built a model.
    tf.config.threading.set_intra_op_parallelism_threads(threads)
    tf.config.threading.set_inter_op_parallelism_threads(threads)
    show_gpu(False)
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        references = {
            "ref/arithmetic": stack.enter_context(reference(threads)),
            "ref/threads": stack.enter_context(multiplying(threads)),
            "ref/memory": copying(),
            "ref/calls": calling(),
        }
        models = {
            f"{name}/{runtime}": stack.enter_context(network(name, runtime, threads, Path(folder)))
            for name, runtime in MODELS
        }
        trace = Trace([*references, *models])
        for call in models.values():
            block(call, 1.0)
        stack.enter_context(neighbours.beside(neighbour))
        stack.enter_context(no_garbage_collection())
        end = time.perf_counter() + 60 * minutes
        written = time.perf_counter()
        while time.perf_counter() < end:
            for place, call in enumerate(models.values()):
                for kind, (name, work) in enumerate(references.items()):
                    set_blas_threads(1 if name == "ref/threads" else threads)
                    settle(work)
                    trace.add(kind, *block(work, _REFERENCE_S))
                settle(call)
                trace.add(len(references) + place, *block(call, _MODEL_S))
            if time.perf_counter() - written > 60:
                trace.write(out)
                written = time.perf_counter()
        trace.write(out)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("out", type=Path)
    parser.add_argument("--minutes", type=float, default=20)
    parser.add_argument("--neighbour", choices=neighbours.KINDS)
    parser.add_argument("--threads", type=int, default=2)
    arguments = parser.parse_args()
    record(arguments.out, arguments.minutes, arguments.neighbour, arguments.threads)


if __name__ == "__main__":
    main()
