"""What several tests share."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
_SHARED = ROOT.parent / "shared" / "data"


@pytest.fixture(scope="session")
def data_dir() -> Path:
    """The folder with real data; the test is skipped where there is none."""
    folder = Path(os.environ.get("CNNBENCH_DATA", _SHARED))
    if not folder.is_dir():
        pytest.skip(f"no data: {folder} does not exist; set CNNBENCH_DATA")
    return folder


# A shell that starts the tests in its background has children ignore Ctrl-C, and so would every
# run that a test interrupts.
signal.signal(signal.SIGINT, signal.default_int_handler)
