"""Models of latency by costs, and their error on families of networks that they have not seen."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np

# Fewest networks and families from which a forecast is made; each fold leaves one family out.
FEWEST_NETWORKS, FEWEST_FAMILIES = 12, 5


@dataclass(frozen=True)
class TrainingSet:
    """Networks that were measured in one way on one machine.

    Attributes:
        names: of the networks.
        families: of the networks.
        costs: ``(networks, costs)``, in the order of `costs.COSTS`.
        macs: ``(networks,)``, multiply-adds of one image.
        seconds: ``(networks,)``, measured.
    """

    names: tuple[str, ...]
    families: tuple[str, ...]
    costs: np.ndarray
    macs: np.ndarray
    seconds: np.ndarray

    @property
    def is_enough(self) -> bool:
        """True if a forecast can be made and judged."""
        few = len(self.names) < FEWEST_NETWORKS or len(set(self.families)) < FEWEST_FAMILIES
        return not few

    def part(self, rows: np.ndarray) -> TrainingSet:
        """Return the networks at ``rows``, a mask."""
        names, families = (
            tuple(name for name, is_in in zip(of, rows, strict=True) if is_in)
            for of in (self.names, self.families)
        )
        return TrainingSet(names, families, self.costs[rows], self.macs[rows], self.seconds[rows])


class Fitted(Protocol):
    """A fitted model."""

    def __call__(self, costs: np.ndarray, macs: np.ndarray) -> np.ndarray:
        """Return seconds, ``(networks,)``, for costs ``(networks, costs)``."""


class Estimator(Protocol):
    """A way of fitting."""

    def __call__(self, table: TrainingSet) -> Fitted:
        """Return the model fitted on the networks of ``table``."""


def by_macs(table: TrainingSet) -> Fitted:
    """Fit seconds per multiply-add alone: what counting alone would forecast."""
    rate = float(np.exp(np.median(np.log(table.seconds / np.maximum(table.macs, 1)))))
    return lambda costs, macs: rate * np.maximum(macs, 1)


def by_costs(table: TrainingSet) -> Fitted:
    """Fit non-negative seconds per unit of every cost, to the least relative squared error."""
    from scipy.optimize import nnls

    scale = np.maximum(table.costs.max(axis=0), 1e-30)
    relative = table.costs / scale / table.seconds[:, None]
    seconds, _ = nnls(relative, np.ones(len(relative)))
    return lambda costs, macs: np.maximum(costs / scale @ seconds, 1e-9)


def held_out(table: TrainingSet, estimator: Estimator) -> np.ndarray:
    """Return the seconds of every network by a model fitted without its family: ``(networks,)``."""
    found = np.empty(len(table.seconds))
    families = np.array(table.families)
    for family in dict.fromkeys(table.families):
        is_out = families == family
        fitted = estimator(table.part(~is_out))
        found[is_out] = fitted(table.costs[is_out], table.macs[is_out])
    return found


def errors(table: TrainingSet, seconds: np.ndarray) -> np.ndarray:
    """Return the absolute error of ``seconds`` relative to what was measured: ``(networks,)``."""
    found: np.ndarray = np.abs(seconds / table.seconds - 1)
    return found
