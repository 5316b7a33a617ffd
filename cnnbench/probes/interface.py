"""Interface between the worker and a probe: the context of a job and its result."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from cnnbench.probes.device import Device


@dataclass(frozen=True)
class Context:
    """Folders, limits and callbacks of a job, next to its model and its setting.

    Attributes:
        repeat: the round (latency, memory) or the seed (accuracy), from 0.
        artifacts: folder of the cell: its ``prepare`` job writes here, its repeats read here. In
            the folder around it lies what the cells of its model share.
        scratch: folder for checkpoints that a later attempt may resume from.
        data_dir: the folder with ``keras/``, ``tensorflow_datasets/``, ``weights/``, or None.
        memory_limit: bytes that this process may use, or None.
        search_path: folders in which files that the suite names are looked up, its own first.
        cache: folder for generated data that other jobs and runs use too, or None.
        run: the run's folder, or None where there is no run.
        fastest: the smallest values of each name that earlier jobs of the run on this machine left
            in their ``details["fastest"]``, in seconds.
        device: measures files in place of this machine, or None.
        report_progress: sends a progress message to the parent (never inside a timed section).
        report_predicted_peak: sends the bytes that this process is predicted to need; if it then
            dies, that is evidence that memory ran out.
    """

    repeat: int
    artifacts: Path
    scratch: Path
    data_dir: Path | None = None
    memory_limit: int | None = None
    search_path: tuple[Path, ...] = ()
    cache: Path | None = None
    run: Path | None = None
    fastest: Mapping[str, float] = field(default_factory=dict)
    device: Device | None = None
    report_progress: Callable[[str], None] = lambda message: None
    report_predicted_peak: Callable[[int], None] = lambda size: None


@dataclass
class ProbeResult:
    """Result of a job that succeeded.

    Attributes:
        metrics: metric name without a setting (``latency_p50_s``) -> value in base units.
        samples: raw values in base units, by metric (``latency_s``: one per call).
        details: anything else worth keeping, as JSON (curves, names of uncounted operations).
            Later jobs get the smallest values of ``fastest``, a mapping of names to seconds.
        environment: of the device that measured, as of `environment.describe`; empty for this
            machine.
    """

    metrics: dict[str, float] = field(default_factory=dict)
    samples: dict[str, list[float]] = field(default_factory=dict)
    details: dict[str, Any] = field(default_factory=dict)
    environment: Mapping[str, Any] = field(default_factory=dict)
