"""Records and runs for tests, with chosen or randomly drawn numbers; nothing is measured."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from cnnbench.environment import environment_id
from cnnbench.plugins import PROBES
from cnnbench.probes.accuracy.settings import AccuracySetting
from cnnbench.probes.latency.settings import LatencySetting
from cnnbench.probes.memory.settings import MemorySetting
from cnnbench.probes.settings import Setting
from cnnbench.probes.static import StaticSetting
from cnnbench.record import Record, Repeat, Status, job_key
from cnnbench.results import tables
from cnnbench.results.journal import FILE_NAME, Header, Journal
from cnnbench.results.tables import Run

FACTS = {"cpu": "Test CPU", "cores": 2, "libraries": {"tensorflow": "2.21.0"}, "threads": 2}
LITERT = LatencySetting(runtime="litert")
HOSTILE = "<img src=x onerror=hacked=1></script><script>hacked=1</script>"
FORMULA = "=1+1"
TIMELINE: dict[str, Any] = {
    "samples": {"timeline_s": [0.0, 0.1, 0.2, 0.3], "timeline_bytes": [5e8, 5.5e8, 9e8, 6e8]},
    "details": {"phases": [["building", 0.01], ["first image", 0.12], ["batch of 1", 0.18]]},
}
DIGITS = AccuracySetting(dataset="digits", image_size=32, epochs=2)


def record(
    model: str,
    probe: str,
    repeat: Repeat = 0,
    status: Status = "ok",
    reason: str = "",
    samples: dict[str, list[float]] | None = None,
    details: dict[str, Any] | None = None,
    setting: dict[str, Any] | None = None,
    *,
    variant: str = "float32",
    input_shape: tuple[int, ...] = (32, 32, 3),
    classes: int = 10,
    environment: str = "e",
    **metrics: float,
) -> Record:
    """Return a record of ``probe``; ``setting`` has the options that are not the default."""
    complete = PROBES[probe].read_setting(setting or {}).model_dump(mode="json")
    return Record(
        key=job_key({"name": model}, variant, probe, complete, repeat),
        attempt=1,
        model=model,
        variant=variant,
        probe=probe,
        setting=complete,
        repeat=repeat,
        status=status,
        reason=reason,
        input_shape=input_shape,
        classes=classes,
        metrics=metrics,
        samples=samples or {},
        details=details or {},
        environment=environment,
        started="2026-01-01T00:00:00+00:00",
        duration_s=1.0,
    )


class Book:
    """Collects records and writes them as a run's folder."""

    def __init__(
        self,
        facts: dict[str, object] = FACTS,
        seed: int = 0,
        shape: tuple[int, ...] = (32, 32, 3),
        classes: int = 10,
    ) -> None:
        self.facts, self.shape, self.classes = facts, shape, classes
        self.records: list[Record] = []
        self.random = np.random.default_rng(seed)

    def record(
        self,
        model: str,
        setting: Setting,
        repeat: Repeat,
        metrics: dict[str, float],
        *,
        variant: str = "float32",
        status: Status = "ok",
        reason: str = "",
        shape: tuple[int, ...] | None = None,
        classes: int | None = None,
        samples: dict[str, list[float]] | None = None,
        details: dict[str, object] | None = None,
    ) -> None:
        """Add one record; the arguments are those of the function `record`."""
        self.records.append(
            record(
                model,
                setting.probe,
                repeat,
                status,
                reason,
                samples,
                details,
                setting.model_dump(mode="json"),
                variant=variant,
                input_shape=shape or self.shape,
                classes=classes or self.classes,
                environment=environment_id(self.facts),
                **metrics,
            )
        )

    def static(self, model: str, **metrics: float) -> Book:
        """Add the counts of a network."""
        self.record(model, StaticSetting(), 0, metrics)
        return self

    def latency(
        self,
        model: str,
        seconds: float,
        rounds: int = 8,
        noise: float = 0.01,
        setting: LatencySetting = LITERT,
    ) -> Book:
        """Add ``rounds`` processes around ``seconds``; the reference shares their drift of 20 %."""
        self.record(model, setting, "prepare", {"file_bytes": 4e6})
        for repeat in range(rounds):
            drift = float(np.exp(self.random.normal(0, 0.2)))
            location = seconds * drift * float(np.exp(self.random.normal(0, noise)))
            calls = [location * (1 + 0.01 * (call % 7)) for call in range(100)]
            found = {
                "latency_location_s": location,
                "latency_p50_s": float(np.median(calls)),
                "latency_p90_s": float(np.percentile(calls, 90)),
                "reference_s": 0.001 * drift,
                "waited_s": 0.0,
                "left_out_s": 0.0,
            }
            details: dict[str, object] = {"is_disturbed": False}
            samples = {"latency_s": calls}
            self.record(model, setting, repeat, found, samples=samples, details=details)
        return self

    def failed(self, model: str, status: Status, reason: str) -> Book:
        """Add a latency that could not be measured."""
        self.record(model, LITERT, "prepare", {}, status=status, reason=reason)
        return self

    def accuracy(self, model: str, seeds: Sequence[float], n_test: int = 10_000) -> Book:
        """Add one top-1 accuracy per seed."""
        for seed, top1 in enumerate(seeds):
            details: dict[str, object] = {"n_test": n_test, "chance": 0.1}
            self.record(model, DIGITS, seed, {"top1": top1}, details=details)
        return self

    def write(self, folder: Path) -> Path:
        """Write the run; return its folder."""
        folder.mkdir(parents=True)
        identity = environment_id(self.facts)
        environment = {"id": identity, "fingerprint": self.facts}
        (folder / "environment.json").write_text(json.dumps(environment))
        with Journal(folder / FILE_NAME, Header("plan", identity, "0.1.0")) as journal:
            for record in self.records:
                journal.append(record)
        return folder


def everything(folder: Path) -> Run:
    """Return a run with content for every section of the page, including hostile names."""
    book = Book()
    for name, macs, seconds, top1 in [
        ("Big", 5e8, 0.020, 0.90),
        ("Small", 1e8, 0.005, 0.80),
        ("Worse", 6e8, 0.030, 0.70),
        (HOSTILE, 2e8, 0.010, 0.85),
        (FORMULA, 3e8, 0.012, 0.60),
    ]:
        book.static(name, macs=macs, params=macs / 100, activation_infer_peak_bytes=macs / 50)
        book.latency(name, seconds)
        details: dict[str, object] = {
            "n_test": 1000,
            "chance": 0.1,
            "curve": [
                {"epoch": e, "phase": 1, "loss": 2 / e, "top1": top1 - 0.1 / e} for e in (1, 2)
            ],
            "classes": ["cat", HOSTILE, "dog"],
            "confusion": [[300, 30, 3], [10, 320, 3], [0, 0, 334]],
        }
        for seed in (0, 1):
            book.record(name, DIGITS, seed, {"top1": top1}, details=details)
        memory = {"memory_infer_peak_bytes": macs / 48}
        book.record(name, MemorySetting(batch_size=1), 0, memory, **TIMELINE)
    book.static("Broken", macs=9e9).failed("Broken", "oom", "out of memory at 2 GiB")
    book.write(folder)
    (folder / "suite.yaml").write_text(f"name: suite  # {HOSTILE}\n")
    return tables.load(folder)
