"""What changed between two reports apart from the numbers; it is shown before them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from cnnbench.core.environment import differences
from cnnbench.core.metrics import of_column, split
from cnnbench.report import measured
from cnnbench.report.merge import Row


@dataclass(frozen=True)
class Changes:
    """Differences in words.

    Attributes:
        environment: CPU, versions, threads: ``cores: 2 -> 4``.
        only_in_base, only_in_new: networks that the other side does not have.
        settings: inputs that changed, and settings that only one side measured.
    """

    environment: tuple[str, ...] = ()
    only_in_base: tuple[str, ...] = ()
    only_in_new: tuple[str, ...] = ()
    settings: tuple[str, ...] = ()


def changes(
    base: Sequence[Row],
    new: Sequence[Row],
    joined: Sequence[tuple[Row, Row]],
    base_facts: Mapping[str, Any],
    new_facts: Mapping[str, Any],
) -> Changes:
    """What differs between two reports whose common rows are ``joined``."""
    known = {id(row) for two in joined for row in two}
    return Changes(
        tuple(dict.fromkeys(_environment(joined, base_facts, new_facts))),
        tuple(row.name for row in base if id(row) not in known),
        tuple(row.name for row in new if id(row) not in known),
        (*_inputs(joined), *_settings(joined)),
    )


def is_same_environment(
    base: Row, new: Row, base_facts: Mapping[str, Any], new_facts: Mapping[str, Any]
) -> bool:
    """Whether two rows may have been measured alike: same id, same facts, or an id is unknown."""
    ids = _id(base), _id(new)
    if not all(ids) or ids[0] == ids[1]:
        return True
    return bool(base_facts and new_facts) and not differences(base_facts, new_facts)


def _environment(
    joined: Sequence[tuple[Row, Row]], base_facts: Mapping[str, Any], new_facts: Mapping[str, Any]
) -> Iterator[str]:
    for base, new in joined:
        if is_same_environment(base, new, base_facts, new_facts):
            continue
        if base_facts and new_facts:
            yield from differences(base_facts, new_facts)
        else:
            yield f"environment: {_id(base)} -> {_id(new)}"


def _inputs(joined: Sequence[tuple[Row, Row]]) -> Iterator[str]:
    for base, new in joined:
        for fact in base.facts.keys() & new.facts.keys():
            if base.facts[fact] != new.facts[fact]:
                yield f"{base.name}: {fact} {base.facts[fact]} -> {new.facts[fact]}"


def _settings(joined: Sequence[tuple[Row, Row]]) -> Iterator[str]:
    """Settings that one side has numbers for and the other does not know at all."""
    sides = [
        dict.fromkeys(key for two in joined for key in _measured_settings(two[side]))
        for side in (0, 1)
    ]
    for side, word in ((0, "base"), (1, "new")):
        for probe, label in sides[side]:
            if (probe, label) not in sides[1 - side]:
                yield f"only in {word}: {probe} {label}"


def _measured_settings(row: Row) -> Iterator[tuple[str, str]]:
    for name in row.cells:
        metric = of_column(name)
        label = split(name)[1]
        if metric is None or not label or row.read(name).value is None:
            continue
        yield _KINDS.get(metric.unit, metric.name), label


_KINDS = {"s": "times at", "per_s": "times at", "bytes": "memory at", "fraction": "accuracy on"}


def _id(row: Row) -> str:
    return measured.words(row.cells.get("environment"))
