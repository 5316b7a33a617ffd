"""A budget for a network in a test: the fixture ``cnn_budget``, and a baseline file.

    def test_my_network_stays_small(cnn_budget):
        cnn_budget("MobileNetV2", params="4M", macs="320M", activation_infer_peak="20MB")

Counts are exact. Times are measured in fresh processes, in rounds interleaved with those of a
reference network, so that their ratio holds on a busy machine. Nothing heavy is imported before
the fixture is used.
"""

from __future__ import annotations

import dataclasses
import importlib
import warnings
from collections.abc import Generator, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from cnnbench.core.errors import UserError
from cnnbench.report.baseline import Baseline

if TYPE_CHECKING:
    import pandas as pd

    from cnnbench.analysis import Inspection
    from cnnbench.core.record import Record

_BASELINE: pytest.StashKey[Baseline] = pytest.StashKey()
_FOUND: pytest.StashKey[list[str]] = pytest.StashKey()  # reports of one test, as CSV
_DEFAULT_RUNTIME = "litert"


def pytest_addoption(parser: pytest.Parser) -> None:
    """The two options of the baseline."""
    group = parser.getgroup("cnnbench")
    group.addoption(
        "--cnnbench-baseline",
        type=Path,
        metavar="REPORT.csv",
        help="what cnn_budget finds is also compared with this table",
    )
    group.addoption(
        "--cnnbench-update-baseline",
        action="store_true",
        help="write what cnn_budget finds into the baseline instead",
    )


def pytest_configure(config: pytest.Config) -> None:
    """Read the baseline before the first test."""
    file = config.getoption("--cnnbench-baseline")
    is_update = config.getoption("--cnnbench-update-baseline")
    if is_update and file is None:
        raise pytest.UsageError("--cnnbench-update-baseline needs --cnnbench-baseline FILE")
    try:
        baseline = config.stash[_BASELINE] = Baseline(file, is_update)
    except UserError as error:
        raise pytest.UsageError(f"--cnnbench-baseline: {error}") from None
    if is_update and not hasattr(config, "workerinput"):  # which pytest-xdist's workers have
        config.pluginmanager.register(_BaselineWriter(baseline))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Add what ``cnn_budget`` found to the test's report."""
    report = yield
    if call.when == "call" and _FOUND in item.stash:
        vars(report)["cnnbench_found"] = item.stash[_FOUND]
    return report


class _BaselineWriter:
    """Writes the baseline from the reports of all tests, whichever process ran them.

    pytest-xdist hands reports on as it does the outcomes, so that one process alone writes.
    """

    def __init__(self, baseline: Baseline) -> None:
        self._baseline = baseline

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if found := getattr(report, "cnnbench_found", None):
            self._baseline.add(report.nodeid, found)

    def pytest_sessionfinish(self) -> None:
        try:
            self._baseline.write()
        except OSError as error:
            raise pytest.UsageError(f"--cnnbench-baseline: {error}") from None


@pytest.fixture
def cnn_budget(request: pytest.FixtureRequest, tmp_path: Path) -> Budget:
    """Inspect and time a network, and fail the test where it breaks a budget; see `Budget`."""
    from cnnbench.core import keras_backend
    from cnnbench.core.quiet import quiet

    try:
        keras_backend.check_here()
    except UserError as error:
        pytest.fail(f"cnn_budget: {error}", pytrace=False)
    with quiet():  # a failure shows layers, not what TensorFlow says while it is loaded
        importlib.import_module("tensorflow")
    search_path = (request.path.parent, request.config.rootpath)
    found: list[str] = request.node.stash.setdefault(_FOUND, [])
    return Budget(tmp_path / "cnnbench", search_path, request.config.stash[_BASELINE], found)


class Budget:
    """What ``cnn_budget`` is: call it with a network and its budgets."""

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
        """Fail the test where ``model`` breaks a budget.

        Args:
            model: a name as in a suite, a live Keras model, or a function that builds one.
            relative_to: likewise, a network to time beside it.
            latency_ratio: how many times as long as ``relative_to`` it may take, for every
                runtime that a latency budget names (``litert`` where none does).
            rounds: fresh processes a network; from six on there is a 95 % interval, and below
                a time is over only where every round is.
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
        from cnnbench.report import budget
        from cnnbench.store import tables

        timed = {name: limit for name, limit in budgets.items() if isinstance(limit, Mapping)}
        counts = {name: limit for name, limit in budgets.items() if name not in timed}
        times = budget.time_limits(timed)
        network = _Network(model, self._folder, self._search_path)
        self._judge(network.label, budget.broken_counts(network.inspection, counts))

        records = [network.record]
        runtimes = list(dict.fromkeys(name for limits in times.values() for name in limits))
        if times or relative_to is not None:
            runtimes = runtimes or [_DEFAULT_RUNTIME]
            others = [] if relative_to is None else [relative_to]
            networks = [network, *(_Network(o, self._folder, self._search_path) for o in others)]
            _tell_apart(networks)
            records += self._timed(networks, runtimes, rounds)
        report = tables.report(records)
        self._judge(network.label, _over(report, network.label, times))
        if relative_to is not None:
            reference = networks[1].label
            self._judge(
                network.label,
                _slower(report, network.label, reference, runtimes, float(latency_ratio or 0)),
            )
        own = report[report["model"] == network.label]
        self._judge(f"{network.label}, against the baseline", self._baseline.check(own))
        if self._baseline.is_update:
            self._found.append(tables.to_csv(own))
        return report

    def _judge(self, who: str, broken: Iterator[str]) -> None:
        found = list(broken)
        if found:
            pytest.fail("\n".join([f"{who} breaks its budget:", *found]), pytrace=False)

    def _timed(
        self, networks: Sequence[_Network], runtimes: Sequence[str], rounds: int
    ) -> list[Record]:
        from cnnbench.models import registry
        from cnnbench.running import side_by_side

        records = side_by_side.timed(
            [network.text for network in networks],
            runtimes,
            rounds,
            self._folder / "run",
            registry,
            self._search_path,
            keras_2=any(network.is_keras_2 for network in networks),
        )
        for record in records:
            if record.status == "skipped":
                pytest.skip(record.reason)
            if record.status != "ok":
                pytest.fail(f"{record.model}: {record.status}: {record.reason}", pytrace=False)
        # As their counts are called: a worker names a live network by its file, and a builder's
        # defaults are not known before it is run.
        named = {network.file_name or network.label: network for network in networks}
        return [dataclasses.replace(record, **named[record.model].identity) for record in records]


class _Network:
    """A network as the fixture was given it: counted here, built again in the workers."""

    def __init__(self, given: Any, folder: Path, search_path: tuple[Path, ...]) -> None:
        from cnnbench import inspect
        from cnnbench.analysis import is_keras2, standard_keras, weightless
        from cnnbench.models import registry

        self.file_name, self.is_keras_2 = "", False
        if isinstance(given, str):
            subject = registry.resolve(given, search_path)
            self.text, self.label = given, subject.label
            with standard_keras(), weightless():
                built = subject.architecture()
                self.inspection: Inspection = inspect(built)
            return
        if hasattr(given, "layers"):
            built = given
        else:
            with standard_keras(keep_policy=True):
                built = given()
        self.is_keras_2 = is_keras2(built)
        self.label = str(built.name)
        self.inspection = inspect(built)
        folder.mkdir(parents=True, exist_ok=True)
        file = folder / f"{self.label}.keras"
        if file.exists():  # two live networks may have one name
            self.label = f"{self.label}-2"
            file = folder / f"{self.label}.keras"
        built.save(file)
        self.text, self.file_name = str(file), file.name

    @property
    def identity(self) -> dict[str, Any]:
        """What every record of it is called: one row of a report."""
        shape = tuple(int(size) for size in self.inspection.input_shape if size is not None)
        classes = int(self.inspection.rows[-1].output_shape[-1] or 0)
        return {"model": self.label, "input_shape": shape, "classes": classes}

    @property
    def record(self) -> Record:
        """What was counted, as a job would have recorded it."""
        from cnnbench.core import environment
        from cnnbench.core.record import Record
        from cnnbench.core.settings.static import StaticSetting

        return Record(
            **self.identity,
            key=self.label,
            attempt=1,
            variant="float32",
            probe="static",
            setting=StaticSetting().model_dump(),
            repeat=0,
            status="ok",
            reason="",
            metrics={name: float(value) for name, value in self.inspection.metrics.items()},
            environment=environment.environment_id(environment.fingerprint()),
        )


def _tell_apart(networks: Sequence[_Network]) -> None:
    """Give the second of two a name of its own: a live network may be called as one by name is.

    Raises:
        UserError: they are one network, whose times say nothing of each other.
    """
    for other in networks[1:]:
        if other.text == networks[0].text:
            raise UserError(f"{other.label} is to be timed beside itself", "relative_to")
        if other.label == networks[0].label:
            other.label = f"{other.label} (reference)"


def _over(
    report: pd.DataFrame, model: str, times: Mapping[str, Mapping[str, float]]
) -> Iterator[str]:
    from cnnbench.report import budget

    for metric, limits in times.items():
        for words, is_sure in budget.broken_times(report, model, metric, limits):
            if is_sure:
                yield words
            else:
                warnings.warn(f"{model}: {words}, but not surely", UserWarning, stacklevel=4)


def _slower(
    report: pd.DataFrame, model: str, reference: str, runtimes: Sequence[str], limit: float
) -> Iterator[str]:
    from cnnbench.report import budget

    for runtime in runtimes:
        found = budget.ratio(report, model, reference, runtime)
        words = (
            f"{runtime}: it takes {found.value:.2f} times as long as {reference} "
            f"({found.low:.2f} to {found.high:.2f}), {limit:g} times are allowed"
        )
        if found.low > limit:
            yield words
        elif found.value > limit:
            warnings.warn(f"{model}: {words}, but not surely", UserWarning, stacklevel=4)
