"""Verdict on a measured number: whether it can be trusted, and why not."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

_UNSTABLE = "unstable"
_BETWEEN = "; "


class VerdictKind(Enum):
    """Kind of a verdict; its value is its text, or the reason that identifies it."""

    NOT_REPEATED = ""
    STABLE = "stable"
    ONE_TRAINING = "stable for one training"
    UNSTABLE = _UNSTABLE
    NOT_ABOVE_CHANCE = "not above chance"
    ONE_SEED = "one seed, at least 2 needed"
    OTHER = "other"


_WHOLE = {
    kind.value: kind
    for kind in (
        VerdictKind.NOT_REPEATED,
        VerdictKind.STABLE,
        VerdictKind.ONE_TRAINING,
        VerdictKind.UNSTABLE,
    )
}
# The second is the wording of older tables.
_ONE_SEED = {VerdictKind.ONE_SEED.value, "one seed, 2 at least"}
_DOUBTFUL = (VerdictKind.UNSTABLE, VerdictKind.NOT_ABOVE_CHANCE, VerdictKind.ONE_SEED)


@dataclass(frozen=True)
class Verdict:
    """A verdict, written ``stable``, ``unstable: reason; reason``, or nothing.

    Attributes:
        kind: the most serious problem; ``OTHER`` for the words of a table made elsewhere.
        reasons: why the number is doubtful, in words; of ``OTHER`` those words.
    """

    kind: VerdictKind = VerdictKind.NOT_REPEATED
    reasons: tuple[str, ...] = ()

    @classmethod
    def unstable(cls, *reasons: str) -> Verdict:
        """Return the verdict on a number that is doubtful for ``reasons``."""
        return cls(VerdictKind.UNSTABLE, reasons)

    @classmethod
    def parse(cls, text: str) -> Verdict:
        """Read what ``str()`` wrote; ``str()`` of the result is ``text`` again."""
        if text in _WHOLE:
            return cls(_WHOLE[text])
        head, colon, rest = text.partition(": ")
        if head == _UNSTABLE and colon:
            reasons = tuple(rest.split(_BETWEEN))
            return cls(_kind(reasons), reasons)
        return cls(VerdictKind.OTHER, (text,))

    def __str__(self) -> str:
        if self.is_doubtful:
            return f"{_UNSTABLE}: {self.why}" if self.reasons else _UNSTABLE
        return self.why or self.kind.value

    @property
    def why(self) -> str:
        """All reasons in one line; empty where there are none."""
        return _BETWEEN.join(self.reasons)

    @property
    def is_doubtful(self) -> bool:
        """True if the number should not be trusted."""
        return self.kind in _DOUBTFUL

    @property
    def is_known(self) -> bool:
        """True if there is a verdict at all."""
        return self.kind is not VerdictKind.NOT_REPEATED

    @property
    def is_worth_a_note(self) -> bool:
        """True if it says more than that the number is stable, or was not repeated."""
        return self.is_doubtful or self.kind is VerdictKind.OTHER

    @property
    def is_above_chance(self) -> bool:
        """True unless chance explains the number."""
        return self.kind is not VerdictKind.NOT_ABOVE_CHANCE

    @property
    def is_one_draw(self) -> bool:
        """True if another training would give another number, and nothing tells how different."""
        return self.kind in (VerdictKind.ONE_SEED, VerdictKind.ONE_TRAINING)

    def doubted(self, *reasons: str) -> Verdict:
        """Return the verdict with more reasons why the number is doubtful."""
        kind = self.kind if self.is_doubtful else VerdictKind.UNSTABLE
        return Verdict(kind, (*self.reasons, *reasons))


def _kind(reasons: tuple[str, ...]) -> VerdictKind:
    """Return the kind that the reasons in a CSV file name, the most serious first."""
    if VerdictKind.NOT_ABOVE_CHANCE.value in reasons:
        return VerdictKind.NOT_ABOVE_CHANCE
    if not _ONE_SEED.isdisjoint(reasons):
        return VerdictKind.ONE_SEED
    return VerdictKind.UNSTABLE


STABLE = Verdict(VerdictKind.STABLE)
ONE_TRAINING = Verdict(VerdictKind.ONE_TRAINING)
NOT_REPEATED = Verdict()
NOT_ABOVE_CHANCE = Verdict(VerdictKind.NOT_ABOVE_CHANCE, (VerdictKind.NOT_ABOVE_CHANCE.value,))
ONE_SEED = Verdict(VerdictKind.ONE_SEED, (VerdictKind.ONE_SEED.value,))
