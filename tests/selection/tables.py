"""Small tables with numbers that can be worked out by hand."""

from __future__ import annotations

from typing import Any

import pandas as pd
from click.testing import CliRunner, Result

import cnnbench
from cnnbench.cli.compare import command
from cnnbench.selection.choose import text as choose_text
from cnnbench.selection.compare import Comparison

LATENCY = "latency_p90_s@cpu/litert/b1"


def from_rows(*rows: dict[str, object]) -> pd.DataFrame:
    return pd.DataFrame([{"variant": "float32", **row} for row in rows])


SIMPLE = from_rows(
    {"model": "A", "file_bytes": 4e6, LATENCY: 0.010, "published_top1": 0.70},
    {"model": "B", "file_bytes": 8e6, LATENCY: 0.018, "published_top1": 0.75},
    {"model": "C", "file_bytes": 11.2e6, LATENCY: 0.019, "published_top1": 0.80},
    {"model": "D", "file_bytes": 30e6, LATENCY: 0.060, "published_top1": 0.85},
    {"model": "E", "file_bytes": 9e6, LATENCY: 0.019, "published_top1": 0.72},
)


def lines_of(choice: cnnbench.Choice) -> list[str]:
    return choose_text.as_text(choice).splitlines()


STEADY = (0.99, 1.0, 1.01, 1.0, 0.99, 1.01)
LABEL = "cpu/litert/b1"


def from_columns(**columns: list[object]) -> pd.DataFrame:
    return pd.DataFrame({"variant": ["float32"] * len(columns["model"]), **columns})


def timed(seconds: float, machine: float = 1e-3, verdict: str = "stable") -> pd.DataFrame:
    """Six processes around ``seconds``, beside a reference of ``machine`` seconds in each."""
    cells: dict[str, object] = {
        "latency_location_s": seconds,
        "latency_location_s_verdict": verdict,
        "latency_location_s_samples": ";".join(f"{seconds * noise:.9g}" for noise in STEADY),
        "reference_s_samples": ";".join([f"{machine:.9g}"] * 6),
    }
    return from_columns(model=["A"], **{f"{name}@{LABEL}": [cell] for name, cell in cells.items()})


def only(found: Comparison) -> Any:
    (row,) = found.rows
    return row


def compare_by_command(*arguments: object) -> Result:
    """``cnnbench compare`` with its exit code; a `UserError` stays an exception."""
    return CliRunner().invoke(command, [str(one) for one in arguments], standalone_mode=False)
