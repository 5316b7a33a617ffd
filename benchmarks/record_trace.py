"""Record a trace: short blocks of calls of a few networks, with the reference workloads between.

The rule by which the latency probe waits and leaves out disturbed blocks is chosen by replaying
candidates on such traces (`benchmarks/replay.py`). As in a run, every visit to a network is a fresh
process, and the networks take turns, so that each meets every state of the machine.

    python benchmarks/record_trace.py OUT.npz [--minutes 20] [--neighbour core|cache|disk]
                                      [--runtimes graph litert]
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import cycle, product
from pathlib import Path
from typing import Any

import neighbours
import numpy as np

from cnnbench.environment import usable_cores
from cnnbench.forked import run_forked
from cnnbench.models import registry
from cnnbench.probes.latency import calibrated_model
from cnnbench.probes.latency.reference import CoreReference, Reference
from cnnbench.probes.latency.runtimes import RUNTIMES
from cnnbench.probes.latency.settings import LatencySetting
from cnnbench.probes.latency.timed_round import TimingConfig
from cnnbench.probes.latency.timing import no_garbage_collection, warm_up

NETWORKS = ("LeNet5", "BasicCNN", "MobileNetV2")
_BLOCK_S, _VISIT_S = 0.05, 4.0
_FEWEST = 2  # calls of a block


@dataclass(frozen=True)
class Visit:
    """Blocks of one process, in order.

    Attributes:
        network: ``LeNet5/litert``.
        begins: seconds of the machine's clock at each block's first call.
        blocks: seconds of the calls of each block.
        readings: ``slowest-calls`` and so on, before each block and after the last.
    """

    network: str
    begins: np.ndarray
    blocks: list[np.ndarray]
    readings: dict[str, np.ndarray]


def read(path: Path) -> list[Visit]:
    """Return the visits of a trace in their order."""
    with np.load(path) as archive:
        found = []
        for place, network in enumerate(archive["networks"]):
            own = {
                name.split("/", 1)[1]: archive[name]
                for name in archive.files
                if name.startswith(f"{place}/")
            }
            ends = np.cumsum(own.pop("counts"))
            blocks = np.split(own.pop("calls"), ends[:-1])
            found.append(Visit(str(network), own.pop("begins"), blocks, own))
        return found


def write(path: Path, networks: list[str], visits: list[dict[str, list[float]]]) -> None:
    """Write visits as ``.npz``."""
    arrays = {
        f"{place}/{name}": np.asarray(values)
        for place, visit in enumerate(visits)
        for name, values in visit.items()
    }
    np.savez_compressed(path, networks=np.array(networks), **arrays)


def prepare(name: str, runtime: str, threads: int, folder: Path) -> None:
    """Write the files of a network that its visits open."""
    model, opened = _opened(name, runtime, threads, folder)
    opened.prepare(calibrated_model.build(model))


def visit(name: str, runtime: str, threads: int, folder: Path) -> dict[str, list[float]]:
    """Time one network in this process, block by block."""
    model, opened = _opened(name, runtime, threads, folder)
    opened.start()
    opened.load()
    images = calibrated_model.random_inputs(model, 1, seed=0)
    opened.compile(images)
    fed = opened.feed(images)
    config = TimingConfig()
    warm_up(opened.call, [fed], config)
    found: dict[str, list[float]] = {"begins": [], "counts": [], "calls": []}
    with CoreReference(threads, config.clock_ns) as reference, no_garbage_collection():
        end = time.perf_counter() + _VISIT_S
        while time.perf_counter() < end:
            _read(reference, config.settle_s, found)
            calls = block(lambda: opened.call(fed))
            found["begins"].append(time.perf_counter() - sum(calls))
            found["counts"].append(len(calls))
            found["calls"] += calls
        _read(reference, config.settle_s, found)
    return found


def block(call: Callable[[], Any]) -> list[float]:
    """Return the seconds of each call of a block."""
    found: list[float] = []
    begin = last = time.perf_counter()
    while last - begin < _BLOCK_S or len(found) < _FEWEST:
        call()
        now = time.perf_counter()
        found.append(now - last)
        last = now
    return found


def _read(reference: Reference, settle_s: float, found: dict[str, list[float]]) -> None:
    time.sleep(settle_s)
    reading = reference.read()
    for kind, seconds in (("slowest", reading.slowest), ("typical", reading.typical)):
        for name, value in seconds.items():
            found.setdefault(f"{kind}-{name}", []).append(value)


def _opened(name: str, runtime: str, threads: int, folder: Path) -> tuple[Any, Any]:
    model = registry.resolve(name)
    setting = LatencySetting(runtime=runtime, threads=threads)
    return model, RUNTIMES.find(runtime).create(model, setting, folder)


def record(
    out: Path, minutes: float, neighbour: str | None, threads: int, runtimes: Sequence[str]
) -> None:
    """Record a trace of ``minutes``, and write it after every turn of the networks."""
    import tensorflow  # noqa: F401 - once for all visits

    with tempfile.TemporaryDirectory() as parent:
        pairs = list(product(NETWORKS, runtimes))
        folders = {pair: Path(parent) / "-".join(pair) for pair in pairs}
        for pair, folder in folders.items():
            folder.mkdir()
            made = run_forked(lambda p=pair, f=folder: prepare(*p, threads, f))
            if not made.succeeded:
                raise RuntimeError(made.failure)
        networks: list[str] = []
        visits: list[dict[str, list[float]]] = []
        with neighbours.beside(neighbour):
            end = time.monotonic() + 60 * minutes
            for pair in cycle(folders):
                found = run_forked(lambda p=pair: visit(*p, threads, folders[p]))
                if not found.succeeded:
                    raise RuntimeError(found.failure)
                networks.append("/".join(pair))
                visits.append(found.value)
                if pair == pairs[-1]:
                    write(out, networks, visits)
                    if time.monotonic() > end:
                        return


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("out", type=Path)
    parser.add_argument("--minutes", type=float, default=20)
    parser.add_argument("--neighbour", choices=neighbours.KINDS)
    parser.add_argument("--threads", type=int, default=usable_cores())
    parser.add_argument("--runtimes", nargs="+", default=["graph", "litert"], choices=RUNTIMES)
    arguments = parser.parse_args()
    record(
        arguments.out,
        arguments.minutes,
        arguments.neighbour,
        arguments.threads,
        arguments.runtimes,
    )


if __name__ == "__main__":
    main()
