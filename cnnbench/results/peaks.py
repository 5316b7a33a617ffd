"""Peaks of a machine, kept beside its runs: FLOP/s and bandwidth that no network can exceed.

``cnnbench doctor`` measures them (`execution.peaks`) and keeps them in the results folder's cache,
in one file per machine; the roofline of a run's page reads them.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from cnnbench import safe_json
from cnnbench.environment import environment_id
from cnnbench.files import replace_text
from cnnbench.results import run_files

FOLDER = ".cache/peaks"
_MACHINE = ("cpu", "cores", "ram_gib", "os", "cpu_quota_cores", "governor", "boost")
_MOST_BYTES = 2**16


@dataclass(frozen=True)
class Peak:
    """Highest rates of a machine with a number of threads.

    Attributes:
        threads: that computed.
        flops_per_s: of a large float32 matrix product.
        bytes_per_s: read and written by adding arrays that are far larger than the caches.
    """

    threads: int
    flops_per_s: float
    bytes_per_s: float

    def reached(self, intensity: float) -> float:
        """Return the most FLOP/s at so many FLOPs per byte."""
        return min(self.flops_per_s, intensity * self.bytes_per_s)


def keep(results: Path, fingerprint: Mapping[str, Any], peaks: Sequence[Peak]) -> Path:
    """Write the peaks of the machine with this fingerprint; return the file.

    A peak that was kept before stays where it is higher, as a busy machine only lowers it.

    Args:
        results: the results folder; it is made where it is missing.
        fingerprint: of the environment, as `environment.fingerprint` returns it.
        peaks: one per number of threads.

    Raises:
        OSError: the file cannot be written.
    """
    file = _file(results, fingerprint)
    file.parent.mkdir(parents=True, exist_ok=True)
    before = {peak.threads: peak for peak in known(results, fingerprint)}
    best = before | {peak.threads: _best(peak, before.get(peak.threads)) for peak in peaks}
    content = {"machine": _machine(fingerprint), "peaks": [asdict(best[n]) for n in sorted(best)]}
    replace_text(file, json.dumps(content, indent=1) + "\n")
    return file


def known(results: Path, fingerprint: Mapping[str, Any]) -> list[Peak]:
    """Return the peaks of a machine that were kept, or [] if there are none that can be read."""
    with suppress(OSError, ValueError):
        text = run_files.read_text(_file(results, fingerprint), _MOST_BYTES)
        return _read(safe_json.loads(text))
    return []


def results_of(run: Path) -> Path:
    """Return the results folder of a run: ``results`` for ``results/mobile/20261124T062948Z``."""
    return run.resolve().parent.parent


def rate_text(rate: float, unit: str) -> str:
    """Return a rate: ``120 GFLOP/s``."""
    for factor, prefix in ((1e12, "T"), (1e9, "G")):
        if rate >= factor:
            return f"{rate / factor:.3g} {prefix}{unit}/s"
    return f"{rate / 1e6:.3g} M{unit}/s"


def _best(peak: Peak, before: Peak | None) -> Peak:
    if before is None:
        return peak
    flops_per_s = max(peak.flops_per_s, before.flops_per_s)
    return Peak(peak.threads, flops_per_s, max(peak.bytes_per_s, before.bytes_per_s))


def _read(content: object) -> list[Peak]:
    rows = content.get("peaks") if isinstance(content, dict) else None
    if not isinstance(rows, list):
        raise ValueError("not the peaks of a machine")
    return [_peak(row) for row in rows]


def _peak(row: object) -> Peak:
    names = set(Peak.__dataclass_fields__)
    is_peak = isinstance(row, dict) and set(row) == names and all(map(_is_positive, row.values()))
    if not is_peak or type(row["threads"]) is not int:  # type: ignore[index]
        raise ValueError("not the peaks of a machine")
    return Peak(**row)  # type: ignore[arg-type]


def _is_positive(value: object) -> bool:
    return type(value) in (int, float) and 0 < value < 1e30  # type: ignore[operator]


def _machine(fingerprint: Mapping[str, Any]) -> dict[str, Any]:
    return {name: fingerprint[name] for name in _MACHINE if name in fingerprint}


def _file(results: Path, fingerprint: Mapping[str, Any]) -> Path:
    return results / FOLDER / f"{environment_id(_machine(fingerprint))}.json"
