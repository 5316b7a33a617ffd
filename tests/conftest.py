"""Fixtures and paths shared by all tests."""

from __future__ import annotations

import gc
import math
import os
import signal
import time
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

ROOT = Path(__file__).resolve().parent.parent
# Do not detect runs of other processes on this machine.
os.environ["CNNBENCH_MACHINE"] = f"tests-{os.getpid()}"

_SHARED = ROOT.parent / "shared" / "data"

# The duration of an example depends on the load of the machine.
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
        help="Start no test after this many minutes; skip the others.",
    )


def pytest_sessionstart() -> None:
    """Collect no garbage while tests are imported: a fifth of the time that TensorFlow takes."""
    gc.disable()


def pytest_collection_finish() -> None:
    """Spare later collections the millions of objects that the imports made."""
    gc.collect()
    gc.freeze()
    gc.enable()


def pytest_runtest_setup(item: pytest.Item) -> None:
    minutes = item.config.getoption("--minutes")
    if time.monotonic() - _BEGAN > 60 * minutes:
        pytest.skip(f"left out as {minutes:g} minutes are over: {item.nodeid}")


@pytest.fixture(scope="session")
def data_dir() -> Path:
    """Return the folder with real data; skip the test if there is none."""
    folder = Path(os.environ.get("CNNBENCH_DATA", _SHARED))
    if not folder.is_dir():
        pytest.skip(f"no data: {folder} does not exist; set CNNBENCH_DATA")
    return folder


@pytest.fixture(autouse=True)
def _handle_ctrl_c() -> None:
    """Restore the handler of SIGINT: child processes that tests interrupt inherit it.

    The background job of a shell ignores SIGINT, and so does `cnnbench.cli.main` after it ended.
    """
    signal.signal(signal.SIGINT, signal.default_int_handler)
