"""Records made by hand, for tests of what is made from records."""

from __future__ import annotations

from typing import Any

from cnnbench.plugins import PROBES
from cnnbench.record import Record, Repeat, Status, job_key


def record(
    model: str,
    probe: str,
    repeat: Repeat = 0,
    status: Status = "ok",
    reason: str = "",
    samples: dict[str, list[float]] | None = None,
    details: dict[str, Any] | None = None,
    setting: dict[str, Any] | None = None,
    **metrics: float,
) -> Record:
    """A record of ``probe`` on a network called ``model``, with the given metrics."""
    words = PROBES[probe].read_setting(setting or {}).model_dump(mode="json")
    return Record(
        key=job_key({"name": model}, "float32", probe, words, repeat),
        attempt=1,
        model=model,
        variant="float32",
        probe=probe,
        setting=words,
        repeat=repeat,
        status=status,
        reason=reason,
        input_shape=(32, 32, 3),
        classes=10,
        metrics=metrics,
        samples=samples or {},
        details=details or {},
        environment="e",
        started="2026-01-01T00:00:00+00:00",
        duration_s=1.0,
    )
