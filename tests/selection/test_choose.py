"""The choice, on tables whose answer is worked out by hand."""

from __future__ import annotations

import pandas as pd
import pytest

import cnnbench
from cnnbench.errors import UserError
from cnnbench.selection.choose import text as choose_text
from tests.selection.tables import LATENCY, SIMPLE, from_rows


def test_the_best_that_keeps_every_limit_wins() -> None:
    choice = cnnbench.choose(
        SIMPLE,
        at_most={"latency_p90@cpu/litert/b1": "20ms", "file": "10MB"},
        maximize="published_top1",
    )
    assert choice.winner is not None
    assert choice.winner.name == "B"
    assert [c.name for c in choice.runners_up] == ["E", "A"]
    assert [c.behind for c in choice.runners_up] == [pytest.approx(0.03), pytest.approx(0.05)]
    # E is beaten by B in all three respects; the others each win one.
    assert {c.name for c in choice.front} == {"A", "B", "C", "D"}
    assert choice.ties == ()


def test_excluded_networks_name_the_limit_and_the_excess() -> None:
    choice = cnnbench.choose(
        SIMPLE, at_most={LATENCY: "20ms", "file": "10MB"}, maximize="published_top1"
    )
    out = {c.name: c.violated for c in choice.candidates if c.verdict == "excluded"}
    assert set(out) == {"C", "D"}
    (violation,) = out["C"]
    assert violation.to_json() == {
        "metric": "file_bytes",
        "limit": 10e6,
        "value": 11.2e6,
        "excess": pytest.approx(1.2e6),
    }
    assert [v.column for v in out["D"]] == [LATENCY, "file_bytes"]
    text = choose_text.as_text(choice)
    assert "C: file_bytes is 11.2 MB, 1.20 MB (12 %) over 10 MB" in text


def test_without_a_fit_names_the_nearest_network_and_wider_limits() -> None:
    choice = cnnbench.choose(
        SIMPLE, at_most={"file": "10MB"}, at_least={"published_top1": "79%"}, minimize=LATENCY
    )
    assert choice.winner is None
    assert choice.nearest is not None
    # B misses 79 % by 4 points (5 %), C misses 10 MB by 1.2 MB (12 %).
    assert choice.nearest.name == "B"
    admitted = {r.candidate.name: r.limits for r in choice.relaxations}
    assert {name: limits[0][1] for name, limits in admitted.items()} == {
        "C": pytest.approx(11.2e6),
        "B": pytest.approx(0.75),
    }
    text = choose_text.as_text(choice)
    assert "Nothing fits; the nearest is B, which misses published_top1 by 4.0 points" in text
    assert "relaxing file_bytes from 10 MB to 11.2 MB would let C qualify" in text


def test_suggests_several_wider_limits_where_one_is_not_enough() -> None:
    choice = cnnbench.choose(
        SIMPLE, at_most={"file": "3MB", LATENCY: "5ms"}, maximize="published_top1"
    )
    (relaxation,) = choice.relaxations
    assert relaxation.candidate.name == "A"
    assert [value for _, value in relaxation.limits] == [4e6, pytest.approx(0.010)]


def test_never_ranks_an_accuracy_at_chance_level() -> None:
    found = from_rows(
        {"model": "A", "top1@digits/scratch": 0.12}, {"model": "B", "top1@digits/scratch": 0.11}
    )
    found["top1_verdict@digits/scratch"] = ["unstable: not above chance", "stable"]
    choice = cnnbench.choose(found, maximize="top1")
    assert choice.winner is not None
    assert choice.winner.name == "B"
    assert choice.candidates[1].violated[0].found.why_absent == "unstable: not above chance"


def test_several_tables_are_merged_on_model_and_variant() -> None:
    counts = from_rows({"model": "A", "macs": 5}, {"model": "B", "macs": 3})
    times = from_rows({"model": "B", LATENCY: 0.03, "macs": None}, {"model": "A", LATENCY: 0.01})
    choice = cnnbench.choose([counts, times], at_most={LATENCY: "20ms"}, minimize="macs")
    assert choice.winner is not None
    assert (choice.winner.name, len(choice.candidates)) == ("A", 2)


def test_empty_columns_make_no_metric_name_ambiguous() -> None:
    gpu = "latency_p90_s@gpu/litert/b1"
    skipped = SIMPLE.assign(**{gpu: None, gpu.replace("_s@", "_s_status@"): "skipped: no GPU"})
    assert cnnbench.choose(skipped, minimize="latency_p90").objective.column == LATENCY
    named = cnnbench.choose(skipped, minimize="latency_p90@gpu")
    assert named.winner is None
    assert "skipped: no GPU" in choose_text.as_text(named)


def test_only_the_first_line_names_a_long_setting_in_full() -> None:
    long = "top1@digits/scratch/2ep/batch_size=32/optimizer=sgd"
    table_ = SIMPLE.assign(**{long: SIMPLE["published_top1"]})
    choice = cnnbench.choose(table_, at_most={"file": "10MB"}, maximize="top1@digits")
    first, *rest = choose_text.as_text(choice).splitlines()
    assert long in first
    assert any("Pareto front over top1@digits/scratch/2ep/…, file_bytes" in line for line in rest)
    assert not any(long in line for line in rest)


@pytest.mark.parametrize(
    ("wanted", "complaint"),
    [
        ({"at_most": {"file": "20ms"}}, r"--max file: '20ms' has no unit that fits"),
        ({"at_most": {"file": "20"}}, "no unit that fits"),
        ({"at_most": {"fule": "2MB"}}, "no metric 'fule'.*file_bytes"),
        ({"at_most": {"latency": "2ms"}}, "ambiguous.*latency_p50_s@cpu/litert/b1"),
        ({"at_most": {"model": "2ms"}}, "'model' is not a number"),
        ({"minimize": None}, "exactly one of"),
        ({"maximize": "file"}, "exactly one of"),
        ({"at_most": {"file": "1MB"}, "at_least": {"file": "2MB"}}, "no value can keep both"),
    ],
)
def test_wrong_arguments_are_one_clear_line(wanted: dict[str, object], complaint: str) -> None:
    two = SIMPLE.assign(**{"latency_p50_s@cpu/litert/b1": 0.01})
    arguments: dict[str, object] = {"minimize": "file", **wanted}
    with pytest.raises(UserError, match=complaint):
        cnnbench.choose(two, **arguments)


def test_an_empty_table_is_an_error() -> None:
    with pytest.raises(UserError, match="empty"):
        cnnbench.choose(SIMPLE.iloc[:0], minimize="file")
    with pytest.raises(UserError, match="not a report"):
        cnnbench.choose(pd.DataFrame({"a": [1]}), minimize="file")


@pytest.mark.parametrize(
    ("limit", "words"),
    [
        (
            {"published_top1": "90"},
            "Top-1 cannot be 9000.0 % (expected 0 to 100 %, for example 92% or 0.92)",
        ),
        ({"published_top1": "120%"}, "Top-1 cannot be 120.0 %"),
        ({"file": "-1MB"}, "File cannot be -1 MB (expected 0 or more)"),
    ],
)
def test_refuses_a_limit_outside_the_metrics_range(limit: dict[str, str], words: str) -> None:
    with pytest.raises(UserError) as caught:
        cnnbench.choose(SIMPLE, at_least=limit, minimize="file")
    assert words in str(caught.value)


def test_a_suggested_limit_lets_the_network_qualify() -> None:
    rows = [{"model": "A", "file_bytes": 11.234e6, "published_top1": 0.7546}]
    for limits in ({"at_most": {"file": "10MB"}}, {"at_least": {"published_top1": "80%"}}):
        choice = cnnbench.choose(from_rows(*rows), minimize="file", **limits)  # type: ignore[arg-type]
        ((limit, value),) = choice.relaxations[0].limits
        assert value == pytest.approx(11.3e6 if limit.side == "max" else 0.754)
        wider = {f"at_{'most' if limit.side == 'max' else 'least'}": {limit.column: value}}
        again = cnnbench.choose(from_rows(*rows), minimize="file", **wider)  # type: ignore[arg-type]
        assert again.winner is not None
