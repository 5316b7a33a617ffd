"""Diagnosis of this machine: hardware, runtimes, data sets and noise.

No library is imported; facts that cannot be read are left out.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from cnnbench import environment
from cnnbench.data import datasets
from cnnbench.errors import UserError
from cnnbench.execution.executor import Executor
from cnnbench.execution.noise import PROCESSES, advice, self_test
from cnnbench.probes.latency.runtimes import RUNTIMES

_CACHES = Path("/sys/devices/system/cpu/cpu0/cache")


def machine() -> Iterator[tuple[str, str]]:
    """Yield ``(fact, value)`` of the hardware, its load and its limits."""
    facts = environment.describe()
    fixed = facts["fingerprint"]
    yield "CPU", f"{fixed['cpu']}, {fixed['cores']} cores usable of {os.cpu_count()}"
    if caches := ", ".join(_caches()):
        yield "caches", caches
    yield from _others(facts)


def machine_of(executor: Executor) -> Iterator[tuple[str, str]]:
    """Yield ``(fact, value)`` of the machine on which an executor measures.

    Raises:
        UserError: it cannot be reached.
    """
    facts = executor.environment()
    fixed = facts["fingerprint"]
    yield "CPU", f"{fixed['cpu']}, {fixed['cores']} cores usable"
    yield from _others(facts)


def runtimes_of(executor: Executor) -> Iterator[tuple[str, str]]:
    """Yield ``(runtimes, versions or how to install them)`` of the machine of an executor.

    Where there is no TensorFlow, only runtimes that measure files without it are listed.
    """
    libraries = executor.environment()["fingerprint"]["libraries"]
    if "tensorflow" in libraries:
        yield from runtimes(libraries.get)
        return
    for name, info in RUNTIMES.items():
        for package in info.there:
            missing = f"not installed: pip install {package}"
            yield name, f"{package} {libraries[package]}" if package in libraries else missing


def _others(facts: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield the facts of a machine but for its CPU."""
    fixed = facts["fingerprint"]
    yield "frequency policy", facts.get("cpu_governor") or "not visible here"
    if load := facts.get("load_average"):
        yield "load", " ".join(f"{value:.2f}" for value in load)
    yield "RAM", f"{fixed['ram_gib']} GiB"
    yield "container limits", "; ".join(_limits(facts)) or "none found"
    yield "GPU", fixed["gpu"] or "none visible"
    yield "system", f"{fixed['os']}, kernel {fixed['kernel']}, Python {fixed['python']}"
    yield "libraries", ", ".join(f"{name} {v}" for name, v in fixed["libraries"].items())
    set_ = [f"{name}={value}" for name, value in fixed.get("variables", {}).items()]
    yield "variables that affect results", ", ".join(set_) or "none set"


def runtimes(
    version_of: Callable[[str], str | None] = environment.version_of,
) -> Iterator[tuple[str, str]]:
    """Yield ``(runtimes, versions or how to install them)``.

    Args:
        version_of: returns the version of an installed distribution, or None.
    """
    names: dict[tuple[str, ...], list[str]] = {}
    for name in RUNTIMES:
        try:
            packages = RUNTIMES[name].packages
        except UserError as error:
            yield name, error.one_line()
        else:
            names.setdefault(packages, []).append(name)
    for packages, found in names.items():
        versions = [version_of(package) for package in packages]
        if all(versions):
            words = ", ".join(f"{p} {v}" for p, v in zip(packages, versions, strict=True))
        else:
            words = f"not installed: {RUNTIMES[found[0]].install}"
        yield ", ".join(found), words


def data_sets(data_dir: Path | None) -> Iterator[tuple[str, str]]:
    """Yield ``(data set, its path or that it is missing)``; by default in its library's folder."""
    for name, facts in datasets.fixed():
        location = facts.location
        if any(facts.packaged):
            train, test = facts.packaged
            words = f"{train:,} training and {test:,} test images come with cnnbench"
            yield f"{name}, part", words
        if location is None:
            yield name, "included in an installed package"
            continue
        home = Path(os.environ.get(location.variable, location.home)).expanduser()
        folder = data_dir / location.below if data_dir else home / location.below_home
        yield name, str(folder) if any(folder.glob(location.evidence)) else f"missing: {folder}"
    if data_dir is None:
        yield "weights", "no data folder: set --data-dir or CNNBENCH_DATA"
        return
    files = sorted(file.name for file in (data_dir / "weights").glob("*.h5"))
    yield "weights", ", ".join(files) or f"none in {data_dir / 'weights'}"


def noise(report_progress: Callable[[str], None]) -> Iterator[tuple[str, str]]:
    """Run the noise self-test; yield ``(fact, value)`` of the precision to expect, and advice."""
    facts = environment.describe()  # before the test, whose own load would be seen
    found = self_test(
        report_progress=lambda done: report_progress(f"noise self-test: {done} of {PROCESSES}")
    )
    yield "between processes", f"{found.spread:.1%} (robust standard deviation of the latency)"
    for rounds, half_width in found.expected.items():
        yield f"expected after {rounds} rounds", f"±{half_width:.1%}"
    words = f"{found.extra_s:.1f} s a round of waiting and of calls that are left out"
    if found.disturbed:
        words += f"; {found.disturbed} of {PROCESSES} rounds found no quiet second"
    yield "measuring while it is quiet", f"costs about {words}"
    if found.why_not:
        yield "expected", f"no forecast: the machine is busy: {'; '.join(found.why_not)}"
    load = facts["load_average"][0] / (os.cpu_count() or 1) if facts["load_average"] else None
    for line in advice(found, load, facts["cpu_governor"]):
        yield "advice", line


def _caches() -> Iterator[str]:
    for index in sorted(_CACHES.glob("index*")):
        try:
            level, kind, size = (
                (index / name).read_text().strip() for name in ("level", "type", "size")
            )
        except OSError:
            continue
        yield f"L{level} {kind.lower()} {size}"


def _limits(facts: Mapping[str, Any]) -> Iterator[str]:
    if memory := facts.get("memory_limit_bytes"):
        yield f"memory {memory / 2**30:.1f} GiB"
    if cores := facts["fingerprint"].get("cpu_quota_cores"):
        yield f"CPU {cores:.1f} cores"
