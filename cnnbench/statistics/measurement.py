"""Measured number of a report, with its interval, verdict and samples."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from cnnbench.statistics.drift_correction import ratios
from cnnbench.statistics.verdict import NOT_REPEATED, Verdict
from cnnbench.text import printable
from cnnbench.units import Unit, show, written


class StatusKind(Enum):
    """Outcome of measuring a number."""

    UNKNOWN = ""
    OK = "ok"
    FAILED = "failed"
    TIMEOUT = "timeout"
    OOM = "oom"
    SKIPPED = "skipped"
    LEFT_OUT = "left out"
    NOTE = "note"


@dataclass(frozen=True)
class CellStatus:
    """Outcome of measuring a number, or why there is none; written ``failed: reason``.

    Attributes:
        kind: ``NOTE`` where there is nothing but the reason: a remark on a number that was found,
            or why one could not be computed. ``UNKNOWN`` where a table has no status.
        reason: one line; may be empty.
    """

    kind: StatusKind = StatusKind.UNKNOWN
    reason: str = ""

    @classmethod
    def note(cls, words: str) -> CellStatus:
        """Return a remark on a number, or the reason why there is none."""
        return cls(StatusKind.NOTE, words)

    @classmethod
    def parse(cls, text: str) -> CellStatus:
        """Read what ``str()`` wrote; ``str()`` of the result is ``text`` again."""
        head, colon, reason = text.partition(": ")
        if head in _NAMED and bool(colon) == bool(reason):
            return cls(_NAMED[head], reason)
        return cls.note(text)

    def __str__(self) -> str:
        if self.kind is StatusKind.NOTE:
            return self.reason
        return f"{self.kind.value}: {self.reason}" if self.reason else self.kind.value

    @property
    def short(self) -> str:
        """The kind in a word, where it has one; else the reason."""
        return self.reason if self.kind is StatusKind.NOTE else self.kind.value

    @property
    def is_known(self) -> bool:
        return self.kind is not StatusKind.UNKNOWN

    @property
    def is_fine(self) -> bool:
        """True if there is nothing to report."""
        return self.kind in (StatusKind.OK, StatusKind.UNKNOWN) and not self.reason

    @property
    def is_failure(self) -> bool:
        """True if it was tried and failed; a skipped cell has not failed."""
        return self.kind in (StatusKind.FAILED, StatusKind.TIMEOUT, StatusKind.OOM)


_NAMED = {kind.value: kind for kind in StatusKind if kind is not StatusKind.NOTE}
UNKNOWN = CellStatus()
OK = CellStatus(StatusKind.OK)


@dataclass(frozen=True)
class JudgedImages:
    """Images that the quality of a network was measured on.

    Attributes:
        side: in pixels; 0 where every network has its own size.
        classes: of the data set; 0 where they are not known.
    """

    side: int
    classes: int


@dataclass(frozen=True, repr=False)
class Measurement:
    """A number of the report, from the journal to the page.

    Attributes:
        value: in base units, or None where there is none.
        status: how it was found, or why there is none.
        low, high: the ends of the 95 % interval, or None where none can be given.
        verdict: whether it can be trusted.
        samples: one value per process or seed, in the order of the repeats.
        references: seconds of the reference in the process of each sample; none where a slower
            machine does not change the number.
        is_rate: whether it grows as seconds shrink.
        ranking: why the order inside its tier is open, in words; None where it has no tier.
        environment: id of the environment it was measured in, where known.
        images: those that a quality was measured on; None for other metrics.
    """

    value: float | None = None
    status: CellStatus = UNKNOWN
    low: float | None = None
    high: float | None = None
    verdict: Verdict = NOT_REPEATED
    samples: tuple[float, ...] = ()
    references: tuple[float, ...] = ()
    is_rate: bool = False
    ranking: str | None = None
    environment: str = ""
    images: JudgedImages | None = None

    def show(self, unit: Unit) -> str:
        """Return the number with its interval as people read it: ``3.9 ms (3.8 ms to 4.1 ms)``.

        Empty where there is no number.
        """
        text = show(self.value, unit)
        if not text or self.low is None or self.high is None:
            return text
        return f"{text} ({show(self.low, unit)} to {show(self.high, unit)})"

    def __str__(self) -> str:
        """Value and interval in base units, and the verdict; without a value, the reason."""
        if self.value is None:
            return self.why_absent
        text = written(self.value)
        if self.low is not None and self.high is not None:
            text += f" ({written(self.low)} to {written(self.high)})"
        return ", ".join(filter(None, [text, str(self.verdict)]))

    def __repr__(self) -> str:
        return f"<Measurement {printable(str(self))}>"

    @property
    def has_interval(self) -> bool:
        return self.low is not None and self.high is not None

    @property
    def ratios(self) -> tuple[float, ...]:
        """Drift-corrected samples of the valid processes; empty without references."""
        return ratios(self.samples, self.references, of_rate=self.is_rate)

    @property
    def has_failed(self) -> bool:
        """True if it was tried and failed; a skipped cell has not failed."""
        return self.value is None and self.status.is_failure

    @property
    def was_skipped(self) -> bool:
        """True if it was not tried; the status says why."""
        return self.value is None and self.status.kind in (StatusKind.SKIPPED, StatusKind.LEFT_OUT)

    @property
    def was_left_out(self) -> bool:
        """True if a search did not measure it, or stopped measuring it; the status says why."""
        return self.status.kind is StatusKind.LEFT_OUT

    @property
    def is_doubtful(self) -> bool:
        """True if its own verdict says so."""
        return self.verdict.is_doubtful

    @property
    def doubt(self) -> str:
        """Reasons for doubt, in words; empty if there are none."""
        return self.verdict.why if self.is_doubtful else ""

    @property
    def is_ranked(self) -> bool:
        """True if it may be ranked: an accuracy that chance explains may not."""
        return self.value is not None and self.verdict.is_above_chance

    @property
    def why_absent(self) -> str:
        """Reason why it cannot be ranked, in words."""
        if self.value is not None:
            return str(self.verdict)
        return "not measured" if self.status.is_fine else str(self.status)


def comparable(*sides: Measurement) -> list[tuple[float, ...]]:
    """Return the samples by which numbers are compared: ÷ reference where all sides have one."""
    are_corrected = all(one.ratios for one in sides)
    return [one.ratios if are_corrected else one.samples for one in sides]
