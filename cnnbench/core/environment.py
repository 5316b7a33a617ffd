"""Where a number was measured: facts about the machine and the libraries, without importing them.

The *fingerprint* holds what decides whether two timings may be compared: CPU, cores, RAM, GPU,
operating system, Python, library versions, threads, and the environment variables that change how
fast TensorFlow is. Load and time are recorded beside it and never take part in it.
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
from importlib import metadata
from pathlib import Path
from typing import Any

LIBRARIES = (
    "tensorflow",
    "keras",
    "tf-keras",
    "tensorflow-model-optimization",
    "ai-edge-litert",
    "numpy",
    "onnxruntime",
    "openvino",
    "nvidia-cublas-cu12",  # TensorFlow's ``[and-cuda]``; of a CUDA installed otherwise nothing says
    "nvidia-cudnn-cu12",
)

# By these the same call on the same machine takes another time.
VARIABLES = (
    *("OMP_NUM_THREADS", "TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS"),
    *("TF_ENABLE_ONEDNN_OPTS", "ONEDNN_MAX_CPU_ISA", "TF_XLA_FLAGS", "XLA_FLAGS"),
    "NVIDIA_TF32_OVERRIDE",
)


def fingerprint() -> dict[str, Any]:
    """The facts that must agree before two timings are compared, as JSON."""
    variables = {name: value for name in VARIABLES if (value := os.environ.get(name))}
    return {
        "cpu": _cpu_model(),
        "cores": usable_cores(),
        "ram_gib": round(_ram_bytes() / 2**30),
        "os": f"{platform.system()} {platform.machine()}",
        "kernel": platform.release(),
        "libc": " ".join(platform.libc_ver()),
        "gpu": _gpus(),
        "python": platform.python_version(),
        "libraries": {name: version for name in LIBRARIES if (version := version_of(name))},
        "threads": usable_cores(),
        **({"variables": variables} if variables else {}),
    }


def describe() -> dict[str, Any]:
    """The whole ``environment.json``: id, fingerprint, and what is only good to know."""
    facts = fingerprint()
    return {
        "id": environment_id(facts),
        "fingerprint": facts,
        "cnnbench": version_of("cnnbench") or "unknown",
        "recorded": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "load_average": list(os.getloadavg()) if hasattr(os, "getloadavg") else None,
        "cpu_governor": _first_line(Path("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor")),
        "memory_limit_bytes": _cgroup_limit(),
    }


def environment_id(facts: Mapping[str, Any]) -> str:
    """A short name of a fingerprint: the first 12 hex digits of its sha256."""
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()[:12]


def changed(base: Mapping[str, Any], new: Mapping[str, Any]) -> dict[str, str]:
    """Fact -> what became of it, for all that two fingerprints differ in: ``cores``: ``2 -> 4``."""
    flat_base, flat_new = flat(base), flat(new)
    return {
        name: f"{flat_base.get(name, 'absent')} -> {flat_new.get(name, 'absent')}"
        for name in sorted(flat_base.keys() | flat_new.keys())
        if flat_base.get(name) != flat_new.get(name)
    }


def differences(base: Mapping[str, Any], new: Mapping[str, Any]) -> list[str]:
    """What changed between two fingerprints, in words: ``cores: 2 -> 4``."""
    return [f"{name}: {words}" for name, words in changed(base, new).items()]


def usable_cores() -> int:
    """The cores that this process may use."""
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:  # not on macOS
        return os.cpu_count() or 1


def flat(facts: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested facts by their path: ``libraries.tensorflow``."""
    found: dict[str, Any] = {}
    for name, value in facts.items():
        if isinstance(value, Mapping):
            found |= flat(value, f"{prefix}{name}.")
        else:
            found[prefix + name] = value
    return found


def version_of(name: str) -> str | None:
    """The version of an installed distribution, or None."""
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def _cpu_model() -> str:
    """The model's name, or where a virtual machine hides it, vendor, family and stepping too."""
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
    """Name, driver and memory of every NVIDIA card, or what the driver says of itself."""
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


def _cgroup_limit() -> int | None:
    text = _first_line(Path("/sys/fs/cgroup/memory.max"))
    return int(text) if text and text.isdigit() else None


def _first_line(path: Path) -> str | None:
    try:
        return path.read_text().splitlines()[0]
    except (OSError, IndexError):
        return None
