"""One number of a report with everything that says how sure it is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from cnnbench.metrics import METRICS, column, split
from cnnbench.statistics.drift_correction import ratios
from cnnbench.statistics.estimates import (
    NOT_ABOVE_CHANCE,
    ONE_SEED,
    ONE_TRAINING,
    is_unstable,
    reasons_of,
)
from cnnbench.units import number

DRIFTING = ("s", "per_s")  # units of what a slower machine changes
_FAILURES = ("failed", "timeout", "oom")


@dataclass(frozen=True)
class Measured:
    """A cell of the report and its companions.

    Attributes:
        value: in base units, or None where there is none.
        low, high: the ends of the 95 % interval, or None where none can be given.
        verdict: ``stable``, ``unstable: why``, or empty.
        status: ``ok``, why there is no value, or empty where the report does not say.
        samples: one value a process or seed.
        references: seconds of the reference in the process of each sample; none where a slower
            machine does not change the number.
        is_rate: whether it grows as seconds shrink.
    """

    value: float | None
    low: float | None = None
    high: float | None = None
    verdict: str = ""
    status: str = ""
    samples: tuple[float, ...] = ()
    references: tuple[float, ...] = ()
    is_rate: bool = False

    @property
    def has_interval(self) -> bool:
        return self.low is not None and self.high is not None

    @property
    def ratios(self) -> tuple[float, ...]:
        """The samples without drift, one a process that counts; none without references."""
        return ratios(self.samples, self.references, of_rate=self.is_rate)

    @property
    def has_failed(self) -> bool:
        """Whether it was tried and went wrong; skipped is not failed."""
        return self.value is None and self.status.startswith(_FAILURES)

    @property
    def was_skipped(self) -> bool:
        """Whether it was not tried, and the status says why."""
        return self.value is None and self.status.startswith("skipped")

    @property
    def is_doubtful(self) -> bool:
        """Whether its own verdict says so."""
        return is_unstable(self.verdict)

    @property
    def doubt(self) -> str:
        """Why it is doubtful, in words; empty where it is not."""
        return reasons_of(self.verdict) if self.is_doubtful else ""

    @property
    def is_ranked(self) -> bool:
        """Whether it may be ranked: an accuracy that chance explains may not."""
        return self.value is not None and NOT_ABOVE_CHANCE not in self.verdict

    @property
    def is_one_draw(self) -> bool:
        """Whether another training would give another number, and nothing says how far off."""
        return ONE_SEED in self.verdict or self.verdict == ONE_TRAINING

    @property
    def why_absent(self) -> str:
        """Why it cannot be ranked, in words."""
        if self.value is not None:
            return self.verdict
        return self.status if self.status not in ("", "ok") else "not measured"


def read(row: Mapping[str, Any], name: str) -> Measured:
    """The number of column ``name`` in one row of a report, with its companions."""
    base, label = split(name)
    unit = METRICS[base].unit if base in METRICS else ""

    def companion(ending: str) -> Any:
        return row.get(column(base + ending, label))

    value = number(row.get(name))
    low, high = number(companion("_ci_low")), number(companion("_ci_high"))
    is_interval = value is not None and low is not None and high is not None and low <= high
    return Measured(
        value=value,
        low=low if is_interval else None,
        high=high if is_interval else None,
        verdict=words(companion("_verdict")),
        status=words(companion("_status"))
        or _status_of_setting(row, base, label)
        or ("not published" if base.startswith("published_") and value is None else ""),
        samples=numbers(companion("_samples")),
        references=numbers(row.get(column("reference_s_samples", label)))
        if unit in DRIFTING
        else (),
        is_rate=unit == "per_s",
    )


def _status_of_setting(row: Mapping[str, Any], base: str, label: str) -> str:
    """Why a cell found nothing: only its primary metrics carry the reason."""
    if base not in METRICS or METRICS[base].depends_on != "setting":
        return ""  # counted: what has the same label failed for reasons of its own
    statuses = (
        words(cell) for name, cell in row.items() if label and name.endswith(f"_status@{label}")
    )
    return next((status for status in statuses if status not in ("", "ok")), "")


def numbers(cell: Any) -> tuple[float, ...]:
    """``'0.1;0.2'`` -> ``(0.1, 0.2)``; a single sample may have been read as a number."""
    found = (number(part) for part in str(cell).split(";")) if cell is not None else ()
    return tuple(value for value in found if value is not None)


def words(cell: Any) -> str:
    """The text of a cell; blank cells are NaN in pandas."""
    return cell if isinstance(cell, str) else ""
