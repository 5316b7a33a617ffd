"""What one job found: the line of the journal that says so, and the key that names the job."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any, Literal

SCHEMA_VERSION = 1

Status = Literal["ok", "failed", "timeout", "oom", "skipped"]
STATUSES: tuple[Status, ...] = ("ok", "failed", "timeout", "oom", "skipped")

PREPARE: Literal["prepare"] = "prepare"
Repeat = int | Literal["prepare"]


@dataclass(frozen=True)
class Record:
    """One job's outcome.

    Attributes:
        key: sha256 over everything that decides the result (`job_key`).
        attempt: which try this was, from 1; a key has at most one ``ok``.
        model: the canonical name with its parameters.
        variant: what was done to the network (``float32``, ``ptq-int8``).
        probe: the way the numbers were found.
        setting: the cell's setting, every default filled in.
        repeat: the round or the seed, from 0, or ``prepare``.
        status: ``ok``, or why there are no numbers.
        reason: one line that says why, where the status is not ``ok``.
        input_shape: ``(height, width, channels)`` of the network.
        classes: of the network.
        metrics: bare metric name -> value in base units.
        samples: raw values behind the metrics.
        details: anything else worth keeping.
        error: the end of the traceback, where there was one.
        environment: the id of the environment it was measured in.
        started: UTC, ISO 8601.
        duration_s: of the whole job, as the parent saw it.
    """

    key: str
    attempt: int
    model: str
    variant: str
    probe: str
    setting: dict[str, Any]
    repeat: Repeat
    status: Status
    reason: str
    input_shape: tuple[int, ...] = ()
    classes: int = 0
    metrics: dict[str, float] = field(default_factory=dict)
    samples: dict[str, list[float]] = field(default_factory=dict)
    details: dict[str, Any] = field(default_factory=dict)
    error: str = ""
    environment: str = ""
    started: str = ""
    duration_s: float = 0.0

    def to_json(self) -> str:
        """One line of JSON; a number that is not finite becomes null."""
        return json.dumps(_finite(asdict(self)), separators=(",", ":"), ensure_ascii=False)

    @classmethod
    def from_json(cls, line: str) -> Record:
        """Read a line back.

        Raises:
            ValueError: the line is not a record (a field is missing, or of the wrong type).
        """
        data = json.loads(line)
        if not isinstance(data, dict):
            raise ValueError("not a JSON object")
        known = {f.name for f in fields(cls)}
        values = {name: value for name, value in data.items() if name in known}
        try:
            record = cls(**values)
        except TypeError as error:
            raise ValueError(str(error)) from None
        record._check()
        return cls(**{**values, "input_shape": tuple(record.input_shape)})

    def _check(self) -> None:
        for name, kinds in _TYPES.items():
            if not isinstance(getattr(self, name), kinds):
                raise ValueError(f"'{name}' is {getattr(self, name)!r}")
        if self.status not in STATUSES:
            raise ValueError(f"'status' is {self.status!r}")


_TYPES: dict[str, type | tuple[type, ...]] = {
    "key": str,
    "attempt": int,
    "model": str,
    "variant": str,
    "probe": str,
    "setting": dict,
    "repeat": (int, str),
    "reason": str,
    "metrics": dict,
    "samples": dict,
    "details": dict,
    "environment": str,
    "duration_s": (int, float),
    "input_shape": (list, tuple),
    "classes": int,
}


def job_key(
    identity: Mapping[str, Any],
    variant: str,
    probe: str,
    setting: Mapping[str, Any],
    repeat: Repeat,
) -> str:
    """sha256 of the canonical JSON of everything that decides a job's result."""
    parts = {
        "schema": SCHEMA_VERSION,
        "model": identity,
        "variant": variant,
        "probe": probe,
        "setting": setting,
        "repeat": repeat,
    }
    canonical = json.dumps(parts, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return hashlib.sha256(canonical.encode()).hexdigest()


def _finite(value: Any) -> Any:
    if isinstance(value, float):
        return value if value - value == 0 else None
    if isinstance(value, dict):
        return {str(name): _finite(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    return value
