"""`Forecast`: a fitted model of one call path, its error, and its predictions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from cnnbench.forecast import costs as cost_of
from cnnbench.forecast import evidence, fitting
from cnnbench.forecast.fitting import Fitted, TrainingSet
from cnnbench.forecast.operations import Operation
from cnnbench.units import show

LIMIT = 0.15
"""Largest median error with which a forecast may order a search."""


@dataclass(frozen=True)
class Prediction:
    """A latency that was not measured.

    Attributes:
        setting: the call path, ``cpu/litert/b1``.
        seconds: predicted, of `evidence.METRIC`.
        networks: number of networks that the forecast was fitted on.
        median_error, p90_error: absolute error relative to the measured latency, of networks whose
            family was left out: the median, and the value that 90 % are below.
        is_beyond: the network has more or fewer MACs than any that was measured.
    """

    setting: str
    seconds: float
    networks: int
    median_error: float
    p90_error: float
    is_beyond: bool

    def __str__(self) -> str:
        beyond = "; beyond the networks measured" if self.is_beyond else ""
        return (
            f"about {_two_digits(self.seconds)} (predicted from {self.networks} networks measured "
            f"here; median error {100 * self.median_error:.0f} %{beyond})"
        )

    def to_json(self) -> dict[str, Any]:
        """Return plain values, marked as predicted."""
        return {
            "setting": self.setting,
            "metric": evidence.METRIC,
            "predicted_s": self.seconds,
            "networks": self.networks,
            "median_error": self.median_error,
            "p90_error": self.p90_error,
            "beyond_the_measured": self.is_beyond,
        }


@dataclass(frozen=True)
class Forecast:
    """A fitted call path.

    Attributes:
        setting: label of the call path.
        runtime: its runtime.
        table: the networks that it was fitted on.
        median_error, p90_error: as in `Prediction`.
        macs_error: median error of MACs alone, for comparison.
    """

    setting: str
    runtime: str
    table: TrainingSet
    median_error: float
    p90_error: float
    macs_error: float

    @classmethod
    def of_table(cls, setting: str, runtime: str, table: TrainingSet) -> Forecast:
        """Judge the fit on families left out."""
        by_costs, by_macs = (
            fitting.errors(table, fitting.held_out(table, estimator))
            for estimator in (fitting.by_costs, fitting.by_macs)
        )
        return cls(
            setting=setting,
            runtime=runtime,
            table=table,
            median_error=float(np.median(by_costs)),
            p90_error=float(np.quantile(by_costs, 0.9)),
            macs_error=float(np.median(by_macs)),
        )

    @property
    def is_usable(self) -> bool:
        """True if its error is small enough to order a search."""
        return self.median_error <= LIMIT

    @cached_property
    def _fitted(self) -> Fitted:
        return fitting.by_costs(self.table)

    def predict(self, operations: Sequence[Operation]) -> Prediction:
        """Return the predicted latency of a network with these operations."""
        costs, macs = cost_of.costs(operations)[None], np.array([cost_of.macs(operations)])
        return Prediction(
            setting=self.setting,
            seconds=float(self._fitted(costs, macs)[0]),
            networks=len(self.table.names),
            median_error=self.median_error,
            p90_error=self.p90_error,
            is_beyond=not self.table.macs.min() <= macs[0] <= self.table.macs.max(),
        )

    def to_json(self) -> dict[str, Any]:
        """Return plain values, of which `from_json` makes the forecast again."""
        facts = ("setting", "runtime", "median_error", "p90_error", "macs_error")
        return {name: getattr(self, name) for name in facts} | {
            "names": list(self.table.names),
            "families": list(self.table.families),
            "costs": self.table.costs.tolist(),
            "macs": self.table.macs.tolist(),
            "seconds": self.table.seconds.tolist(),
        }

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Forecast:
        """Return the forecast with these values.

        Raises:
            ValueError: they are not those of a forecast.
        """
        try:
            costs, macs, seconds = (
                np.array(values[name], np.float64) for name in ("costs", "macs", "seconds")
            )
            names, families = tuple(values["names"]), tuple(values["families"])
            rows = len(names)
            is_right = costs.shape == (rows, len(cost_of.COSTS)) and len(families) == rows
            if not is_right or macs.shape != (rows,) or seconds.shape != (rows,) or not rows:
                raise ValueError("not a forecast")
            if not (seconds > 0).all():
                raise ValueError("not a forecast")
            numbers = (float(values[n]) for n in ("median_error", "p90_error", "macs_error"))
            table = TrainingSet(names, families, costs, macs, seconds)
            path = str(values["setting"]), str(values["runtime"])
            return cls(*path, table, *numbers)
        except (KeyError, TypeError) as error:
            raise ValueError(f"not a forecast: {error}") from None


def _two_digits(seconds: float) -> str:
    """Return a duration with two digits: a forecast has no more."""
    number, unit = show(float(f"{seconds:.2g}"), "s").split(" ")
    return f"{float(number.replace(',', '')):g} {unit}"
