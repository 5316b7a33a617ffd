"""What is here to measure with: the machine, the runtimes and the data sets. Nothing is imported.

Reading only; what cannot be read is left out.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, get_args

from cnnbench import environment
from cnnbench.data import datasets
from cnnbench.probes.latency.runtimes import find
from cnnbench.probes.latency.settings import Runtime

_CACHES = Path("/sys/devices/system/cpu/cpu0/cache")


def machine() -> Iterator[tuple[str, str]]:
    """``(what, value)`` of the hardware, its load and its limits."""
    facts = environment.describe()
    fixed = facts["fingerprint"]
    yield "CPU", f"{fixed['cpu']}, {fixed['cores']} cores usable of {os.cpu_count()}"
    if caches := ", ".join(_caches()):
        yield "caches", caches
    yield "frequency policy", facts["cpu_governor"] or "not visible here"
    if facts["load_average"]:
        yield "load", " ".join(f"{value:.2f}" for value in facts["load_average"])
    yield "RAM", f"{fixed['ram_gib']} GiB"
    yield "container limits", "; ".join(_limits(facts)) or "none found"
    yield "GPU", fixed["gpu"] or "none visible"
    yield "system", f"{fixed['os']}, kernel {fixed['kernel']}, Python {fixed['python']}"
    yield "libraries", ", ".join(f"{name} {v}" for name, v in fixed["libraries"].items())
    set_ = [f"{name}={value}" for name, value in fixed.get("variables", {}).items()]
    yield "variables that decide numbers", ", ".join(set_) or "none set"


def runtimes() -> Iterator[tuple[str, str]]:
    """``(runtime, versions or how to get it)``."""
    names: dict[tuple[str, ...], list[str]] = {}
    extras = {}
    for name in get_args(Runtime):
        path = find(name)
        names.setdefault(path.packages, []).append(name)
        extras[path.packages] = path.extra
    for packages, found in names.items():
        versions = [environment.version_of(package) for package in packages]
        if all(versions):
            words = ", ".join(f"{p} {v}" for p, v in zip(packages, versions, strict=True))
        else:
            words = f'not installed: pip install "cnnbench[{extras[packages]}]"'
        yield ", ".join(found), words


def data_sets(data_dir: Path | None) -> Iterator[tuple[str, str]]:
    """``(data set, where it is or that it is missing)``; by default in its library's own place."""
    for name, facts in datasets.fixed():
        place = facts.place
        if any(facts.packaged):
            train, test = facts.packaged
            words = f"{train:,} training and {test:,} test images come with cnnbench"
            yield f"{name}, part", words
        if place is None:
            yield name, "comes with a package that is installed"
            continue
        home = Path(os.environ.get(place.variable, place.home)).expanduser()
        folder = data_dir / place.below if data_dir else home / place.below_home
        yield name, str(folder) if any(folder.glob(place.evidence)) else f"missing: {folder}"
    if data_dir is None:
        yield "weights", "beside a suite alone: --data-dir or CNNBENCH_DATA names a data folder"
        return
    files = sorted(file.name for file in (data_dir / "weights").glob("*.h5"))
    yield "weights", ", ".join(files) or f"none in {data_dir / 'weights'}"


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
    if memory := facts["memory_limit_bytes"]:
        yield f"memory {memory / 2**30:.1f} GiB"
    if cores := facts["fingerprint"].get("cpu_quota_cores"):
        yield f"CPU {cores:.1f} cores"
