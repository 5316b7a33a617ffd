"""A budget for a network in a test: the fixture ``cnn_budget``, and a baseline file.

    def test_my_network_stays_small(cnn_budget):
        cnn_budget("MobileNetV2", params="4M", macs="320M", activation_infer_peak="20MB")

Counts are exact. Times are measured in fresh processes, in rounds interleaved with those of a
reference network, so that their ratio holds on a busy machine. Nothing heavy is imported before
the fixture is used.
"""

from __future__ import annotations

import importlib
from collections.abc import Generator
from pathlib import Path

import pytest

from cnnbench.errors import UserError
from cnnbench.pytest_plugin.checks import Budget
from cnnbench.selection.baseline import Baseline

_BASELINE: pytest.StashKey[Baseline] = pytest.StashKey()
_FOUND: pytest.StashKey[list[str]] = pytest.StashKey()  # reports of one test, as CSV


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the two options of the baseline."""
    group = parser.getgroup("cnnbench")
    group.addoption(
        "--cnnbench-baseline",
        type=Path,
        metavar="REPORT.csv",
        help="also compare the results of cnn_budget with this table",
    )
    group.addoption(
        "--cnnbench-update-baseline",
        action="store_true",
        help="write the results of cnn_budget into the baseline instead",
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
    """Inspect and time a network, and fail the test if it exceeds a budget; see `Budget`."""
    from cnnbench.environment import keras_backend
    from cnnbench.quiet import quiet

    try:
        keras_backend.check_here()
    except UserError as error:
        pytest.fail(f"cnn_budget: {error}", pytrace=False)
    with quiet():  # hides what TensorFlow prints while it is loaded
        importlib.import_module("tensorflow")
    search_path = (request.path.parent, request.config.rootpath)
    found: list[str] = request.node.stash.setdefault(_FOUND, [])
    return Budget(tmp_path / "cnnbench", search_path, request.config.stash[_BASELINE], found)
