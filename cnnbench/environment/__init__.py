"""The environment of a measurement: facts about the machine and the libraries.

The *fingerprint* holds the facts that must agree before two timings are compared: CPU, cores, RAM,
GPU, operating system, Python, library versions, threads, the container's CPU quota, frequency
policy and huge pages, environment variables that change how libraries compute, and the rule by
which calls are timed. The host, load and time are recorded with it and are not part of it.
"""

from __future__ import annotations

import datetime
import hashlib
import json
import os
import platform
import subprocess
from collections.abc import Mapping
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any

from cnnbench.environment import cgroup, libraries, variables
from cnnbench.environment.libraries import version_of

# Fact -> the first schema that records it; those not named, and not libraries, are in schema 1.
SCHEMA = 3
_SINCE = {"schema": SCHEMA, "governor": 2, "boost": 2, "huge_pages": 2}

# The rule by which calls are timed; times that were taken by another are not compared.
_TIMING = "quiet blocks"

_CPUS = Path("/sys/devices/system/cpu")
_MACHINE_ID = Path("/etc/machine-id")


def fingerprint() -> dict[str, Any]:
    """Return the facts that must agree before two timings are compared, as JSON."""
    gpus = _gpus()
    quota = cgroup.of_process().cpu_cores()
    facts = {
        "schema": SCHEMA,
        "cpu": _cpu_model(),
        "cores": usable_cores(),
        "ram_gib": round(_ram_bytes() / 2**30),
        "os": f"{platform.system()} {platform.machine()}",
        "kernel": platform.release(),
        "libc": " ".join(platform.libc_ver()),
        "gpu": gpus,
        "python": platform.python_version(),
        "libraries": libraries.versions(),
        "threads": usable_cores(),
        "timing": _TIMING,
    }
    # Facts that have their usual value, or cannot be read, are left out.
    optional = {
        "cpu_quota_cores": round(quota, 3) if quota is not None else None,
        "governor": _governor(),
        "boost": _first_line(_CPUS / "cpufreq/boost"),
        "huge_pages": _huge_pages(),
        "variables": variables.recorded(
            os.environ, gpus is not None, libraries.declared("variables")
        ),
    }
    return facts | {name: fact for name, fact in optional.items() if fact}


def describe() -> dict[str, Any]:
    """Return the whole ``environment.json``: id, fingerprint, and facts that do not decide."""
    facts = fingerprint()
    return {
        "id": environment_id(facts),
        "fingerprint": facts,
        "host": host_id(),
        "cnnbench": version_of("cnnbench") or "unknown",
        "recorded": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "load_average": list(os.getloadavg()) if hasattr(os, "getloadavg") else None,
        "cpu_governor": _governor(),
        "memory_limit_bytes": cgroup.of_process().memory_bytes(),
    }


def host_id(machine_id: Path = _MACHINE_ID, name: str | None = None) -> str:
    """Return a short name of this machine that tells it from others with the same fingerprint.

    Two equal machines differ in speed by some per cent. It is a hash, from which neither the name
    nor the id of the system can be read. Copies of a system's disk share the id, so the machine's
    name in the network is in it too.

    Args:
        machine_id: file with the id of the system, where it has one.
        name: of the machine in the network; by default read from the system.
    """
    known = f"cnnbench {_first_line(machine_id)} {platform.node() if name is None else name}"
    return hashlib.sha256(known.encode()).hexdigest()[:8]


def environment_id(facts: Mapping[str, Any]) -> str:
    """Return a short name of a fingerprint: the first 12 hex digits of its sha256."""
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()[:12]


def changed(base: Mapping[str, Any], new: Mapping[str, Any]) -> dict[str, str]:
    """Return the differences between two fingerprints by fact: ``cores``: ``2 -> 4``.

    A fact that the older fingerprint did not record is not a difference.
    """
    flat_base, flat_new = flat(base), flat(new)
    older = min(_schema(base), _schema(new))
    is_same = _schema(base) == _schema(new)
    return {
        name: f"{flat_base.get(name, 'absent')} -> {flat_new.get(name, 'absent')}"
        for name in sorted(flat_base.keys() | flat_new.keys())
        if flat_base.get(name) != flat_new.get(name) and (is_same or _since(name) <= older)
    }


def _schema(facts: Mapping[str, Any]) -> int:
    """Return the schema of a fingerprint; the first schema was not recorded."""
    found = facts.get("schema")
    return found if isinstance(found, int) else 1


def _since(fact: str) -> int:
    library = fact.removeprefix("libraries.")
    if library != fact:
        return libraries.LIBRARIES.get(library, libraries.OTHERS_SINCE)
    return _SINCE.get(fact, 1)


def differences(base: Mapping[str, Any], new: Mapping[str, Any]) -> list[str]:
    """Return the differences between two fingerprints in words: ``cores: 2 -> 4``."""
    return [f"{name}: {words}" for name, words in changed(base, new).items()]


def usable_cores() -> int:
    """Return the number of cores that this process may use."""
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:  # not on macOS
        return os.cpu_count() or 1


def flat(facts: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Return nested facts by their path: ``libraries.tensorflow``."""
    found: dict[str, Any] = {}
    for name, value in facts.items():
        if isinstance(value, Mapping):
            found |= flat(value, f"{prefix}{name}.")
        else:
            found[prefix + name] = value
    return found


def _cpu_model() -> str:
    """Return the model's name, with family and model number where known."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    facts = {
        key.strip(): value.strip() for key, _, value in (line.partition(":") for line in lines)
    }
    name = facts.get("model name") or platform.processor() or platform.machine()
    family, model = facts.get("cpu family"), facts.get("model")
    return f"{name} (family {family}, model {model})" if family else name


def _ram_bytes() -> int:
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (ValueError, OSError, AttributeError):
        return 0


@cache
def _gpus() -> str | None:
    """Return name, driver and memory of every NVIDIA card, or the driver's version, or None."""
    command = [
        "nvidia-smi",
        "--query-gpu=name,driver_version,memory.total",
        "--format=csv,noheader",
    ]
    cards: list[str] = []
    with suppress(OSError, subprocess.SubprocessError):
        done = subprocess.run(command, capture_output=True, text=True, timeout=10, check=True)
        cards = [", driver ".join(line.split(", ", 1)) for line in done.stdout.splitlines()]
    return "; ".join(cards) or _first_line(Path("/proc/driver/nvidia/version"))


def _governor() -> str | None:
    return _first_line(_CPUS / "cpu0/cpufreq/scaling_governor")


def _huge_pages() -> str | None:
    """Return the policy in brackets: ``always [madvise] never``."""
    words = _first_line(Path("/sys/kernel/mm/transparent_hugepage/enabled")) or ""
    return words.partition("[")[2].partition("]")[0] or None


def _first_line(path: Path) -> str | None:
    try:
        return path.read_text().splitlines()[0]
    except (OSError, IndexError):
        return None
