"""Changes between two reports other than the numbers; shown before them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from cnnbench.environment import changed, flat
from cnnbench.errors import UserError, nearest_or_all
from cnnbench.row import Row


@dataclass(frozen=True)
class Environments:
    """The environments of two reports, and the differences that are allowed.

    Attributes:
        base, new: the fingerprints by the id of their environment, '' for any other id; empty where
            a table does not record them.
        accepted: facts whose difference does not keep times from being compared: a fact
            (``libraries.tensorflow``), or all below one (``libraries``).
        force: times are always compared.
    """

    base: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    new: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    accepted: tuple[str, ...] = ()
    force: bool = False

    def __post_init__(self) -> None:
        """Raise `UserError` for a fact that neither fingerprint has."""
        if self.accepted and not (self.base and self.new):
            raise UserError(
                "a table does not record its environment",
                f"--accept {self.accepted[0]}",
                "compare run folders, or accept every difference with --force",
            )
        check_accepted(self.accepted, [*self.base.values(), *self.new.values()])

    def are_same(self, base: Row, new: Row) -> bool:
        """Return whether two rows share an environment: same id, same facts, or unknown."""
        return not self._differ(base, new) or self._changed(base, new) == {}

    def are_comparable(self, base: Row, new: Row) -> bool:
        """Return whether times may be compared: all differences were accepted."""
        if self.force or self.are_same(base, new):
            return True
        found = self._changed(base, new)
        return found is not None and all(map(self._is_accepted, found))

    def differences(self, base: Row, new: Row) -> Iterator[str]:
        """Yield the differing facts in words: ``cores: 2 -> 4``."""
        if self.are_same(base, new):
            return
        found = self._changed(base, new)
        if found is None:
            yield f"environment: {base.environment} -> {new.environment}"
            return
        for name, words in found.items():
            yield f"{name}: {words}{' (accepted)' if self._is_accepted(name) else ''}"

    def _changed(self, base: Row, new: Row) -> dict[str, str] | None:
        """Return the facts that differ between the environments of two rows; None if unknown."""
        ours = self.base.get(base.environment) or self.base.get("")
        theirs = self.new.get(new.environment) or self.new.get("")
        return changed(ours, theirs) if ours and theirs else None

    def _is_accepted(self, name: str) -> bool:
        return any(is_below(name, fact) for fact in self.accepted)

    @staticmethod
    def _differ(base: Row, new: Row) -> bool:
        ids = base.environment, new.environment
        return all(ids) and ids[0] != ids[1]


@dataclass(frozen=True)
class Changes:
    """Differences in words.

    Attributes:
        environment: CPU, versions, threads: ``cores: 2 -> 4``.
        only_in_base, only_in_new: networks that the other side does not have.
        inputs: networks whose input or classes changed.
    """

    environment: tuple[str, ...] = ()
    only_in_base: tuple[str, ...] = ()
    only_in_new: tuple[str, ...] = ()
    inputs: tuple[str, ...] = ()


def environment_changes(
    joined: Sequence[tuple[Row, Row]], environments: Environments
) -> tuple[str, ...]:
    """Return the differences between the environments of joined rows, each once."""
    return tuple(dict.fromkeys(w for two in joined for w in environments.differences(*two)))


def input_changes(joined: Sequence[tuple[Row, Row]]) -> tuple[str, ...]:
    """Return the input shapes and numbers of classes that differ between joined rows."""
    return tuple(
        f"{base.name}: {fact} {base.facts[fact]} -> {new.facts[fact]}"
        for base, new in joined
        for fact, value in base.facts.items()
        if new.facts.get(fact, value) != value
    )


def check_accepted(accepted: Sequence[str], fingerprints: Iterable[Mapping[str, Any]]) -> None:
    """Raise `UserError` for a fact that none of the fingerprints has."""
    known = list(dict.fromkeys(name for one in fingerprints for name in flat(one)))
    for fact in accepted:
        if not any(is_below(name, fact) for name in known):
            raise UserError(
                "unknown fact of an environment", f"--accept {fact}", nearest_or_all(fact, known)
            )


def is_below(name: str, fact: str) -> bool:
    """Return whether ``name`` is a fact (``libraries``) or one below it (``libraries.keras``)."""
    return name == fact or name.startswith(f"{fact}.")
