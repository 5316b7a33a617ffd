"""Fixtures and paths shared by all tests."""

from __future__ import annotations

import math
import os
import signal
import time
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

ROOT = Path(__file__).resolve().parent.parent
# Runs of others, on a machine that these tests share, are no concern of theirs.
os.environ["CNNBENCH_MACHINE"] = f"tests-{os.getpid()}"

_SHARED = ROOT.parent / "shared" / "data"

# An example takes as long as the machine is busy.
settings.register_profile(
    "any machine", deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("any machine")


_BEGAN = time.monotonic()


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--minutes",
        type=float,
        default=math.inf,
        help="Begin no test later than this; those left out are skipped and named.",
    )


def pytest_runtest_setup(item: pytest.Item) -> None:
    minutes = item.config.getoption("--minutes")
    if time.monotonic() - _BEGAN > 60 * minutes:
        pytest.skip(f"left out as {minutes:g} minutes are over: {item.nodeid}")


@pytest.fixture(scope="session")
def data_dir() -> Path:
    """The folder with real data; the test is skipped where there is none."""
    folder = Path(os.environ.get("CNNBENCH_DATA", _SHARED))
    if not folder.is_dir():
        pytest.skip(f"no data: {folder} does not exist; set CNNBENCH_DATA")
    return folder


@pytest.fixture(autouse=True)
def _ctrl_c_is_heard() -> None:
    """Whoever ignores Ctrl-C hands that on to the processes it starts, and tests interrupt some.

    A shell's background job ignores it, and so does `cnnbench.cli.main` once it has ended here.
    """
    signal.signal(signal.SIGINT, signal.default_int_handler)
