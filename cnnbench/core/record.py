"""What one job found: the line of the journal that says so, and the key that names the job."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field, fields
from types import NoneType
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
        data = json.loads(line, parse_constant=_no_number)
        if not isinstance(data, dict):
            raise ValueError("not a JSON object")
        values = {name: data[name] for name in _FIELDS & data.keys()}
        if isinstance(values.get("input_shape"), list):
            values["input_shape"] = tuple(values["input_shape"])
        try:
            record = cls(**values)
        except TypeError as error:
            raise ValueError(str(error)) from None
        record._check()
        return record

    def _check(self) -> None:
        for name, kinds in _TYPES.items():
            value = getattr(self, name)
            if not isinstance(value, kinds) or isinstance(value, bool):
                raise ValueError(f"'{name}' is {_short(value)}")
        if self.status not in STATUSES:
            raise ValueError(f"'status' is {_short(self.status)}")
        if isinstance(self.repeat, str) and self.repeat != PREPARE:
            raise ValueError(f"'repeat' is {_short(self.repeat)}")
        _numbers("input_shape", self.input_shape, int)
        _numbers("counts", (self.attempt, self.classes, self.repeat), int, str)
        _numbers("duration_s", (self.duration_s,))
        _numbers("metrics", self.metrics.values())
        for name, values in self.samples.items():
            if not isinstance(values, list):
                raise ValueError(f"'samples.{name}' is {_short(values)}")
            _numbers(f"samples.{name}", values)
        for name in _NUMBERS_IN_DETAILS & self.details.keys():
            _numbers(f"details.{name}", (self.details[name],))
        flags = self.details.get("flags", [])
        if not isinstance(flags, list) or not all(isinstance(flag, str) for flag in flags):
            raise ValueError(f"'details.flags' is {_short(flags)}")


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
    "error": str,
    "environment": str,
    "started": str,
    "duration_s": (int, float),
    "input_shape": tuple,
    "classes": int,
}
_FIELDS = frozenset(f.name for f in fields(Record))
# Details that tables are computed from.
_NUMBERS_IN_DETAILS = frozenset({"precision", "n_test", "chance"})
_LARGEST = 2.0**63


def _numbers(name: str, values: Iterable[Any], *kinds: type) -> None:
    """Raise `ValueError` unless all are numbers that a table can hold; null is a missing one."""
    allowed = kinds or (int, float, NoneType)
    for value in values:
        kind = type(value)
        if kind not in allowed or (kind is int and not 0 <= abs(value) < _LARGEST):
            raise ValueError(f"'{name}' holds {_short(value)}")
        if kind is float and value - value != 0:
            raise ValueError(f"'{name}' holds a number that is not finite")


def _no_number(text: str) -> float:
    raise ValueError(f"{text} is no number of JSON")


def _short(value: Any) -> str:
    try:
        text = repr(value)
    except ValueError:  # an integer of more digits than Python shows
        return "a number without end"
    return text if len(text) <= 60 else text[:57] + "..."


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
