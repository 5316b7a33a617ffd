"""Records: the result of one job as a line of the journal, and the key of the job."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass, field, fields
from types import NoneType
from typing import Any, Literal

from cnnbench import safe_json
from cnnbench.errors import shown
from cnnbench.metrics import METRICS
from cnnbench.text import html_table, printable
from cnnbench.units import show

SCHEMA_VERSION = 1

Status = Literal["ok", "failed", "timeout", "oom", "skipped"]
STATUSES: tuple[Status, ...] = ("ok", "failed", "timeout", "oom", "skipped")

FLOAT32 = "float32"  # the variant of a model that is not compressed
LEFT_OUT = "left_out"  # detail of a job that a search did not need
HOST = "host"  # detail: the machine of a cluster that the job ran on
NODE_LOST = "node_lost"  # detail of a job whose result the loss of that machine made void
PREPARE: Literal["prepare"] = "prepare"
Repeat = int | Literal["prepare"]


@dataclass(frozen=True, repr=False)
class Record:
    """Result of one job.

    Attributes:
        key: sha256 of everything that decides the result (`job_key`).
        attempt: number of the attempt, from 1; a key has at most one ``ok``.
        model: the canonical name with its parameters.
        variant: how the model was compressed (``float32``, ``ptq-int8``).
        probe: name of the probe.
        setting: the cell's setting with all defaults.
        repeat: the round or the seed, from 0, or ``prepare``.
        status: ``ok``, or why there are no metrics.
        reason: one line that explains a status other than ``ok``.
        input_shape: ``(height, width, channels)`` of the network.
        classes: number of classes of the network.
        metrics: metric name without a setting -> value in base units.
        samples: raw values behind the metrics.
        details: other JSON values.
        error: the end of the traceback, if there was one.
        environment: id of the environment in which the job ran.
        started: UTC, ISO 8601.
        duration_s: of the whole job, measured by the parent process.
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

    @property
    def title(self) -> str:
        """Model, variant unless it is float32, probe, repeat, status: ``LeNet5 static 0: ok``."""
        words = f"{model_title(self.model, self.variant)} {self.probe} {self.repeat}"
        return printable(f"{words}: {self.status}" + (f" ({self.reason})" if self.reason else ""))

    @property
    def host(self) -> str:
        """The machine of a cluster that the job ran on; empty outside of a cluster."""
        return str(self.details.get(HOST, ""))

    @property
    def is_left_out(self) -> bool:
        """True if a search left the job out: it was never tried."""
        return self.status == "skipped" and LEFT_OUT in self.details

    def __str__(self) -> str:
        return "\n".join(
            [self.title, *(printable(f"  {': '.join(line)}") for line in self._shown())]
        )

    def __repr__(self) -> str:
        return f"<Record {self.title}>"

    def _repr_html_(self) -> str:
        return html_table(("Metric", "Value"), self._shown(), self.title)

    def _shown(self) -> list[tuple[str, str]]:
        """Return the metrics as people read them; those of no known unit as they are."""
        return [
            (name, show(value, METRICS[name].unit) if name in METRICS else str(value))
            for name, value in self.metrics.items()
        ]

    def to_json(self) -> str:
        """Return one line of JSON; a number that is not finite becomes null."""
        return safe_json.dumps(asdict(self))

    @classmethod
    def from_json(cls, line: str) -> Record:
        """Return the record in a line of JSON.

        Raises:
            ValueError: not a record: a field is missing or has the wrong type.
        """
        data = safe_json.loads(line)
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
                raise ValueError(f"'{name}' is {shown(value)}")
        if self.status not in STATUSES:
            raise ValueError(f"'status' is {shown(self.status)}")
        if isinstance(self.repeat, str) and self.repeat != PREPARE:
            raise ValueError(f"'repeat' is {shown(self.repeat)}")
        _numbers("input_shape", self.input_shape, int)
        _numbers("counts", (self.attempt, self.classes, self.repeat), int, str)
        _numbers("duration_s", (self.duration_s,))
        _numbers("metrics", self.metrics.values())
        for name, value in self.metrics.items():
            is_share = name in METRICS and METRICS[name].unit == "fraction"
            if is_share and not 0 <= (value or 0) <= 1:
                raise ValueError(f"'metrics.{name}' is {shown(value)}, not a share")
        for name, values in self.samples.items():
            if not isinstance(values, list):
                raise ValueError(f"'samples.{name}' is {shown(values)}")
            _numbers(f"samples.{name}", values)
        self.check_details(_DETAILS)

    def check_details(self, checks: Mapping[str, Callable[[Any], bool]]) -> None:
        """Raise `ValueError` for a detail that is there and does not pass its check."""
        for name, is_right in checks.items():
            if name in self.details and not is_right(self.details[name]):
                raise ValueError(f"'details.{name}' is {shown(self.details[name])}")


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
_LARGEST = 2.0**63


def is_count(value: Any) -> bool:
    """Return whether a value of JSON is a whole number that a table can hold, at least 0."""
    return type(value) is int and 0 <= value < _LARGEST


def is_number(value: Any) -> bool:
    """Return whether a value of JSON is a number that a table can hold."""
    return type(value) in (int, float) and abs(value) < _LARGEST


def are_words(value: Any) -> bool:
    """Return whether a value of JSON is a list of texts."""
    return isinstance(value, list) and all(isinstance(item, str) for item in value)


def is_text(value: Any) -> bool:
    """Return whether a value of JSON is a text."""
    return isinstance(value, str)


def is_omission(value: Any) -> bool:
    """Return whether a value of JSON is ``{repeats, seconds}``: what was left out of a cell."""
    if not isinstance(value, dict) or value.keys() != {"repeats", "seconds"}:
        return False
    seconds = value["seconds"]
    return is_count(value["repeats"]) and (seconds is None or is_number(seconds))


# Details that the runner adds to those of the probe (`Probe.details`).
_DETAILS: dict[str, Callable[[Any], bool]] = {
    "precision": lambda value: value is None or is_number(value),
    "cell_limit_s": lambda value: value is None or is_number(value),
    "beside": are_words,
    HOST: is_text,
    NODE_LOST: is_text,
    LEFT_OUT: is_omission,
}


def standing(records: Iterable[Record]) -> list[Record]:
    """Return the records without the results that the loss of their machine made void.

    When a machine of a cluster is lost, what must stay on one machine begins again elsewhere; the
    journal then has a record with the detail `NODE_LOST` behind each result that is void.
    """
    records = list(records)
    lost = {
        record.key: place for place, record in enumerate(records) if NODE_LOST in record.details
    }
    return [
        record
        for place, record in enumerate(records)
        if record.status != "ok" or place > lost.get(record.key, -1)
    ]


def _numbers(name: str, values: Iterable[Any], *kinds: type) -> None:
    """Raise `ValueError` unless all are numbers that a table can hold; None is a missing number."""
    allowed = kinds or (int, float, NoneType)
    for value in values:
        kind = type(value)
        if kind not in allowed or (kind is int and not 0 <= abs(value) < _LARGEST):
            raise ValueError(f"'{name}' holds {shown(value)}")
        if kind is float and value - value != 0:
            raise ValueError(f"'{name}' holds a number that is not finite")


def model_title(model: str, variant: str) -> str:
    """Return the name of a model in tables and messages: ``LeNet5 ptq-int8``.

    Plain float32 is not mentioned.
    """
    return model if variant in ("", FLOAT32) else f"{model} {variant}"


def job_key(
    identity: Mapping[str, Any],
    variant: str,
    probe: str,
    setting: Mapping[str, Any],
    repeat: Repeat,
) -> str:
    """Return the sha256 of the canonical JSON of everything that decides a job's result."""
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
