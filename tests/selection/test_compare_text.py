"""A comparison as text and Markdown, and wrong arguments of it."""

from __future__ import annotations

import pytest

import cnnbench
from cnnbench.errors import UserError
from cnnbench.selection.compare import text as compare_text
from tests.selection.tables import from_columns


def test_writes_out_a_difference_that_rounding_hides() -> None:
    base = from_columns(model=["A"], params=[4_253_864], file_bytes=[14_000_100.0])
    new = from_columns(model=["A"], params=[4_254_864], file_bytes=[14_000_088.0])
    notes = {row.metric: row.note for row in cnnbench.compare(base, new).rows}
    assert notes == {"params": "by +1,000", "file_bytes": "by -12 B"}


def test_shows_models_and_settings_of_one_side_only() -> None:
    base = from_columns(model=["A", "B"], macs=[1, 2], **{"latency_p50_s@cpu/graph/b1": [0.1, 0.2]})
    new = from_columns(
        model=["A", "C"], macs=[1, 2], **{"latency_p50_s@cpu/graph/b1/t1": [0.1, 0.2]}
    )
    found = cnnbench.compare(base.assign(input_shape="32x32x3"), new.assign(input_shape="64x64x3"))
    assert (found.changes.only_in_base, found.changes.only_in_new) == (("B",), ("C",))
    assert found.changes.inputs == ("A: input_shape 32x32x3 -> 64x64x3",)
    lines = compare_text.as_text(found, 120).splitlines()
    assert lines[:10] == [
        *("Only in base", "  B", "Only in new", "  C"),
        *("Input changed", "  A: input_shape 32x32x3 -> 64x64x3"),
        "Missing in new",
        "  Latency p50 cpu/graph/b1: A",
        "Missing in base",
        "  Latency p50 cpu/graph/b1/t1: A",
    ]
    assert lines[10].startswith("Model") and lines[11].startswith("A")
    assert lines[12:] == [
        "No regression in what was compared: 1 same",
        "Not verified: 1 network missing in new, 1 latency missing in new, "
        "1 network missing in base, 1 latency missing in base",
    ]


def test_names_rows_of_one_model_by_their_input() -> None:
    both = from_columns(model=["A", "A"], macs=[1, 2], input_shape=["32x32x3", "64x64x3"])
    found = cnnbench.compare(both, both.assign(macs=[1, 3]))
    assert [(row.name, row.verdict) for row in found.rows] == [
        ("A (32x32x3)", "same"),
        ("A (64x64x3)", "worse"),
    ]
    (worse,) = found.to_json()["regressions"]
    assert (worse["model"], worse["input_shape"]) == ("A", "64x64x3")
    assert "A (64x64x3)" in compare_text.as_text(found, 120)


@pytest.mark.parametrize(
    ("wanted", "complaint"),
    [
        ({"metrics": ["mac"]}, None),
        ({"metrics": ["latensy"]}, "no metric 'latensy'"),
        ({"threshold": "5ms"}, "--threshold"),
        ({"threshold": "150%"}, "between 0 and 100"),
    ],
)
def test_refuses_wrong_metrics_and_thresholds(
    wanted: dict[str, object], complaint: str | None
) -> None:
    one = from_columns(model=["A"], macs=[1], flops=[2])
    if complaint is None:
        assert [row.metric for row in cnnbench.compare(one, one, **wanted).rows] == ["macs"]
        return
    with pytest.raises(UserError, match=complaint):
        cnnbench.compare(one, one, **wanted)


def test_refuses_reports_without_a_common_model() -> None:
    with pytest.raises(UserError, match="no model and variant in common"):
        cnnbench.compare(from_columns(model=["A"], macs=[1]), from_columns(model=["B"], macs=[1]))


def test_long_tables_only_count_equal_numbers() -> None:
    names = [f"N{number}" for number in range(30)]
    base, new = (from_columns(model=names, params=[first, *range(29)]) for first in (100, 200))
    lines = compare_text.as_text(cnnbench.compare(base, new), 100).splitlines()
    assert [line.split()[0] for line in lines] == ["Model", "N0", "1", "Use"]
    few = compare_text.as_text(cnnbench.compare(base[:20], new[:20]), 100).splitlines()
    assert len(few) == 1 + 20 + 1


def test_refuses_reports_without_a_common_number() -> None:
    with pytest.raises(UserError, match="no number in common"):
        cnnbench.compare(from_columns(model=["A"], params=[1]), from_columns(model=["A"], macs=[2]))


def test_compares_a_metric_in_every_matching_setting() -> None:
    columns = {f"memory_infer_peak_bytes@b{size}": [100.0 * size] for size in (1, 32)}
    both = from_columns(model=["A"], params=[1], **columns)
    found = cnnbench.compare(both, both, metrics=["memory_infer_peak", "params"])
    assert [row.metric for row in found.rows] == [*columns, "params"]
    (one,) = cnnbench.compare(both, both, metrics=["memory_infer_peak@b32"]).rows
    assert one.metric == "memory_infer_peak_bytes@b32"
