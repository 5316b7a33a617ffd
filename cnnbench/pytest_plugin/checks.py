"""Fixture ``cnn_budget``: counts and times a network, and checks its budgets."""

from __future__ import annotations

import dataclasses
import warnings
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from cnnbench.errors import UserError
from cnnbench.pytest_plugin.network import Network, tell_apart
from cnnbench.selection.baseline import Baseline

if TYPE_CHECKING:
    import pandas as pd

    from cnnbench.record import Record

_DEFAULT_RUNTIME = "litert"


class Budget:
    """Fixture ``cnn_budget``: call it with a network and its budgets."""

    def __init__(
        self, folder: Path, search_path: tuple[Path, ...], baseline: Baseline, found: list[str]
    ) -> None:
        """Check in ``folder``; reports for a new baseline are appended to ``found``."""
        self._folder, self._search_path = folder, search_path
        self._baseline, self._found = baseline, found

    def __call__(
        self,
        model: Any,
        *,
        relative_to: Any = None,
        latency_ratio: float | None = None,
        rounds: int = 3,
        **budgets: Any,
    ) -> pd.DataFrame:
        """Fail the test if ``model`` exceeds a budget.

        Args:
            model: a name as in a suite, a live Keras model, or a function that builds one.
            relative_to: a reference network, given likewise, that is timed in turn with it.
            latency_ratio: limit of its latency divided by that of ``relative_to``, in every
                runtime that a latency budget names (``litert`` if none does).
            rounds: number of fresh processes per network. From six on, a 95 % interval decides;
                with fewer, a limit is exceeded only if every round exceeds it.
            budgets: a counted metric and its limit (``params="4M"``, ``macs="300M"``,
                ``activation_infer_peak="20MB"``), or a latency and its limits by runtime
                (``latency_p50={"litert": "15ms"}``).

        An unknown network, metric or runtime, and a unit that does not fit, fail the test with
        a line that says so.

        Returns:
            A report with a row for the network, and one for the reference.
        """
        if (relative_to is None) != (latency_ratio is None):
            pytest.fail("cnn_budget: relative_to and latency_ratio go together", pytrace=False)
        try:
            return self._check(model, relative_to, latency_ratio, rounds, budgets)
        except UserError as error:
            mistake = str(error)
        pytest.fail(f"cnn_budget: {mistake}", pytrace=False)

    def _check(
        self,
        model: Any,
        relative_to: Any,
        latency_ratio: float | None,
        rounds: int,
        budgets: Mapping[str, Any],
    ) -> pd.DataFrame:
        from cnnbench.results import tables
        from cnnbench.results.report import Report
        from cnnbench.selection import budget

        timed = {name: limit for name, limit in budgets.items() if isinstance(limit, Mapping)}
        counts = {name: limit for name, limit in budgets.items() if name not in timed}
        times = budget.time_limits(timed)
        network = Network(model, self._folder, self._search_path)
        over = f"{network.label} exceeds its budget"
        _fail_if_any(over, budget.broken_counts(network.inspection, counts))

        records = [network.record]
        runtimes = list(dict.fromkeys(name for limits in times.values() for name in limits))
        networks = [network]
        if relative_to is not None:
            networks.append(Network(relative_to, self._folder, self._search_path))
            tell_apart(networks)
        if times or relative_to is not None:
            runtimes = runtimes or [_DEFAULT_RUNTIME]
            records += self._timed(networks, runtimes, rounds)
        report = tables.measured(records)
        label = network.label
        for name, limits in times.items():
            _fail_if_any(over, _certain(label, budget.broken_times(report, label, name, limits)))
        for reference in networks[1:]:
            limit = float(latency_ratio or 0)
            slower = budget.broken_ratio(report, label, reference.label, runtimes, limit)
            _fail_if_any(over, _certain(label, slower))
        own = Report([row for row in report if row.model == network.label], report.columns)
        _fail_if_any(f"{network.label} is worse than its baseline", self._baseline.check(own))
        if self._baseline.is_update:
            self._found.append(own.to_csv())
        return report.to_frame()

    def _timed(
        self, networks: Sequence[Network], runtimes: Sequence[str], rounds: int
    ) -> list[Record]:
        from cnnbench.execution import side_by_side
        from cnnbench.models import registry

        records = side_by_side.timed(
            [network.text for network in networks],
            runtimes,
            rounds,
            self._folder / "run",
            registry,
            self._search_path,
            keras_2=any(network.is_keras_2 for network in networks),
            notify=_warn,
        )
        for record in records:
            if record.status == "skipped":
                pytest.skip(record.reason)
            if record.status != "ok":
                pytest.fail(f"{record.model}: {record.status}: {record.reason}", pytrace=False)
        # Give times the identity of the counts: a worker names a live network by its file, and a
        # builder's defaults are not known before it runs.
        named = {network.recorded_as: network for network in networks}
        return [dataclasses.replace(record, **named[record.model].identity) for record in records]


def _fail_if_any(head: str, broken: Iterator[str]) -> None:
    if found := list(broken):
        pytest.fail("\n".join([f"{head}:", *found]), pytrace=False)


def _warn(message: str) -> None:
    warnings.warn(f"cnn_budget: {message}", UserWarning, stacklevel=2)


def _certain(model: str, found: Iterator[tuple[str, bool]]) -> Iterator[str]:
    """Yield the messages of budgets that are certainly exceeded; warn of the others."""
    for message, is_certain in found:
        if is_certain:
            yield message
        else:
            warnings.warn(f"{model}: {message} (uncertain)", UserWarning, stacklevel=5)
