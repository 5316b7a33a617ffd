"""What a probe is given and what it gives back: the three words between a worker and a probe."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Context:
    """What a job may use beside its subject and its setting.

    Attributes:
        repeat: the round (latency, memory) or the seed (accuracy), from 0.
        artifacts: the cell's own folder: its ``prepare`` job writes here, its rounds read here.
        scratch: a folder for state that a repeated attempt may resume from.
        data_dir: the folder with ``keras/``, ``tensorflow_datasets/``, ``weights/``, or None.
        memory_limit: bytes that this process may use, or None.
        search_path: where files that the suite names are looked up, its own folder first.
        report_progress: sends a progress message to the parent (never inside a timed section).
        report_predicted_peak: tells the parent how many bytes this process is predicted to need;
            evidence that memory ran out, should it die.
    """

    repeat: int
    artifacts: Path
    scratch: Path
    data_dir: Path | None = None
    memory_limit: int | None = None
    search_path: tuple[Path, ...] = ()
    report_progress: Callable[[str], None] = lambda message: None
    report_predicted_peak: Callable[[int], None] = lambda size: None


@dataclass
class ProbeResult:
    """What a job found.

    Attributes:
        metrics: metric name without a setting (``latency_p50_s``) -> value in base units.
        samples: raw values in base units, by metric (``latency_s``: one a call).
        details: anything else worth keeping, as JSON (curves, names of uncounted operations).
    """

    metrics: dict[str, float] = field(default_factory=dict)
    samples: dict[str, list[float]] = field(default_factory=dict)
    details: dict[str, Any] = field(default_factory=dict)
