"""Operations as a runtime executed them: the share of its accelerated part, and their times."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from cnnbench.record import is_count, is_text
from cnnbench.text import plural

_MOST_KINDS, _MOST_NAMED = 20, 4


@dataclass(frozen=True)
class RanOperation:
    """One operation of a converted file.

    Attributes:
        kind: the runtime's name of it, ``CONV_2D``.
        is_accelerated: whether the accelerated part of the runtime took it.
        macs: its multiply-adds in one call, or None if unknown.
        precision: the type that it computes in, ``FLOAT32``; empty if unknown.
    """

    kind: str
    is_accelerated: bool
    macs: int | None = None
    precision: str = ""


@dataclass(frozen=True)
class Executed:
    """The operations of a converted file, and which of them a runtime accelerates.

    Attributes:
        part: the accelerated part: ``XNNPACK``, a provider, a plugin.
        operations: all that are executed, without those that only hold constants.
        partitions: number of connected parts that it took; 0 if it is not split.
    """

    part: str
    operations: tuple[RanOperation, ...]
    partitions: int = 0

    def metrics(self) -> dict[str, float]:
        """Return ``accelerated_ops``, and ``accelerated_macs`` and ``partitions`` where known."""
        if not self.operations:
            return {}
        taken = [one for one in self.operations if one.is_accelerated]
        found = {"accelerated_ops": len(taken) / len(self.operations)}
        if macs := _macs(self.operations):
            found["accelerated_macs"] = (_macs(taken) or 0) / macs
        if self.partitions:
            found["accelerated_partitions"] = self.partitions
        return found

    def details(self) -> dict[str, Any]:
        """Return the accelerated part, the operations that it left, and the number by precision."""
        left = [one for one in self.operations if not one.is_accelerated]
        kinds = Counter(one.kind for one in left)
        macs: dict[str, int] = {}
        for one in left:
            macs[one.kind] = macs.get(one.kind, 0) + (one.macs or 0)
        ordered = sorted(kinds, key=lambda kind: (-macs[kind], -kinds[kind], kind))
        return {
            "accelerated_by": self.part,
            "not_accelerated": [
                {"op": kind, "count": kinds[kind], "macs": macs[kind]}
                for kind in ordered[:_MOST_KINDS]
            ],
            "precisions": dict(Counter(one.precision for one in self.operations if one.precision)),
        }


def left_in_words(details: Mapping[str, Any]) -> str:
    """Return which operations the accelerated part left, from the details of a record; or ''."""
    left = details.get("not_accelerated", [])
    if not left:
        return ""
    count = sum(one["count"] for one in left)
    kinds = ", ".join(f"{one['op']} {one['count']}" for one in left[:_MOST_NAMED])
    more = ", …" if len(left) > _MOST_NAMED else ""
    part = details.get("accelerated_by", "the accelerated part")
    return f"{part} leaves {plural(count, 'operation')} to slower kernels ({kinds}{more})"


def are_left(value: Any) -> bool:
    """Return whether a detail of a record is what `Executed.details` lists."""
    return isinstance(value, list) and all(
        isinstance(one, dict)
        and is_text(one.get("op"))
        and is_count(one.get("count"))
        and is_count(one.get("macs"))
        for one in value
    )


DETAILS: Mapping[str, Callable[[Any], bool]] = {
    "not_accelerated": are_left,
    "accelerated_by": is_text,
}


@dataclass(frozen=True)
class TimedOperation:
    """The time of one operation in a call of the whole network.

    Attributes:
        name: of the operation in the converted file.
        kind: the runtime's name of it.
        seconds: in one call.
        macs: multiply-adds in one call, or None if the file does not tell.
        part: what ran it: a delegate, a provider, a primitive; empty if unknown.
    """

    name: str
    kind: str
    seconds: float
    macs: int | None = None
    part: str = ""


@dataclass(frozen=True)
class Profile:
    """Measured time by operation.

    Attributes:
        operations: in the order of execution.
        seconds: of a whole call, measured in the same way.
        method: how the times were found, one sentence.
        resolution_s: a difference between operations below this is noise; 0 if unknown.
    """

    operations: tuple[TimedOperation, ...]
    seconds: float
    method: str
    resolution_s: float = 0.0

    def heaviest(self) -> list[TimedOperation]:
        """Return the operations, longest first."""
        return sorted(self.operations, key=lambda one: -one.seconds)

    def by_kind(self) -> list[tuple[str, int, float, int]]:
        """Return kind, number, seconds and MACs of each kind of operation, longest first."""
        found: dict[str, list[TimedOperation]] = {}
        for one in self.operations:
            found.setdefault(one.kind, []).append(one)
        rows = [
            (kind, len(of), sum(one.seconds for one in of), _macs(of) or 0)
            for kind, of in found.items()
        ]
        return sorted(rows, key=lambda row: (-row[2], row[0]))


def _macs(operations: Iterable[RanOperation | TimedOperation]) -> int | None:
    """Return the sum of the MACs; None if no operation's are known."""
    known = [one.macs for one in operations if one.macs is not None]
    return sum(known) if known else None
