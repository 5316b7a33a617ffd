"""Ties: samples of one run, several trainings, and identical rows."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import cnnbench
from cnnbench.errors import UserError
from cnnbench.results import tables
from tests.records import Book

P99 = "latency_p99_s@cpu/litert/b1"


def timed(model: str, seconds: float, beside: float | None, seed: int = 0) -> pd.DataFrame:
    """Eight processes around ``seconds``, a reference of ``beside`` in each."""
    noise = np.random.default_rng(seed).normal(1, 0.005, 8)
    row: dict[str, object] = {"model": model, "variant": "float32", P99: seconds}
    row[f"{P99.partition('@')[0]}_samples@cpu/litert/b1"] = ";".join(
        f"{seconds * one:.9g}" for one in noise
    )
    if beside is not None:
        row["reference_s_samples@cpu/litert/b1"] = ";".join([str(beside)] * 8)
    return pd.DataFrame([row])


def test_never_divides_samples_by_the_reference_of_another_run() -> None:
    a, b = timed("A", 0.010, 0.001), timed("B", 0.014, 0.001, seed=1)
    assert cnnbench.choose([a, b], minimize="latency_p99").winner.name == "A"
    # B once more, on a machine half as fast, with too few calls for a p99.
    slow = timed("B", 0.028, 0.002, seed=2).drop(columns=[P99])
    slow = slow.drop(columns=[name for name in slow if name.startswith("latency_p99_s_samples")])
    slow[P99] = None
    slow["latency_p50_s@cpu/litert/b1"] = 0.027
    found = cnnbench.choose([a, b, slow], minimize="latency_p99")
    assert found.winner.name == "A"
    assert [tie.name for tie in found.ties] == []


@pytest.mark.parametrize("with_reference", ["A", "B"])
def test_never_compares_a_ratio_with_seconds(with_reference: str) -> None:
    tables_ = [
        timed(name, seconds, 0.001 if name == with_reference else None, seed=place)
        for place, (name, seconds) in enumerate((("A", 0.010), ("B", 0.100)))
    ]
    found = cnnbench.choose(tables_, minimize="latency_p99")
    assert (found.winner.name, [tie.name for tie in found.ties]) == ("A", [])
    near = timed("B", 0.0101, None if with_reference == "A" else 0.001, seed=3)
    assert [
        tie.name for tie in cnnbench.choose([tables_[0], near], minimize="latency_p99").ties
    ] == ["B"]


def test_one_seed_ties_with_any_other(tmp_path: Path) -> None:
    book = Book().accuracy("A", [0.85]).accuracy("B", [0.83])
    found = cnnbench.choose(tables.load(book.write(tmp_path / "one")).report, maximize="top1")
    assert found.winner.name == "A"
    assert [tie.name for tie in found.ties] == ["B"], "the images alone would tell them apart"
    several = Book().accuracy("A", [0.85] * 3).accuracy("B", [0.83] * 3)
    found = cnnbench.choose(tables.load(several.write(tmp_path / "three")).report, maximize="top1")
    assert [tie.name for tie in found.ties] == []


def test_refuses_to_join_a_row_without_input_shape_to_one_of_several() -> None:
    sizes = {"model": ["M", "M"], "variant": ["float32"] * 2, "macs": [5, 3]}
    known = pd.DataFrame(sizes | {"input_shape": ["224x224x3", "32x32x3"], "classes": [10, 10]})
    files_ = pd.DataFrame({"model": ["M"], "variant": ["float32"], "file_bytes": [14]})
    with pytest.raises(UserError, match=r"several rows match M of another table.*input_shape"):
        cnnbench.choose([known, files_], minimize="file")
