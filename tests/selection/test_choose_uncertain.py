"""Ties, borderline networks and missing numbers of a choice."""

from __future__ import annotations

from pathlib import Path

import pytest

import cnnbench
from cnnbench.results import tables
from cnnbench.selection.choose import text as choose_text
from tests.records import Book
from tests.selection.tables import LATENCY, SIMPLE, from_rows, lines_of


@pytest.mark.parametrize(
    ("limit", "verdict"), [("21ms", "fits"), ("19.5ms", "borderline"), ("17ms", "excluded")]
)
def test_an_interval_that_straddles_a_limit_is_borderline(limit: str, verdict: str) -> None:
    found = from_rows(
        {
            "model": "A",
            "macs": 1,
            LATENCY: 0.019,
            "latency_p90_s_ci_low@cpu/litert/b1": 0.018,
            "latency_p90_s_ci_high@cpu/litert/b1": 0.020,
        },
    )
    choice = cnnbench.choose(found, at_most={LATENCY: limit}, minimize="macs")
    assert choice.candidates[0].verdict == verdict
    if verdict == "borderline":
        assert choice.winner is None
        assert "borderline: A" in choose_text.as_text(choice)
        assert choice.relaxations[0].limits[0][1] == pytest.approx(0.020)


def test_a_winner_that_does_not_differ_significantly_is_a_tie(tmp_path: Path) -> None:
    book = Book().latency("A", 0.0100, noise=0.03).latency("B", 0.0101, noise=0.03)
    book.latency("C", 0.0200, noise=0.03)
    run = tables.load(book.write(tmp_path / "run"))
    choice = cnnbench.choose(run, minimize="latency_location")
    assert {c.name for c in (choice.winner, *choice.ties) if c} == {"A", "B"}
    (tie,) = choice.ties
    assert tie.tie_probability is not None
    assert 0.0 < tie.tie_probability < 0.6
    text = choose_text.as_text(choice)
    assert text.startswith("Tie: ")
    assert "  statistically tied with " in text and "% chance that " in text
    assert choice.to_json()["tie_with"][0]["probability_better"] == tie.tie_probability


def test_drift_correction_decides_between_times_of_unequal_hours() -> None:
    def row(model: str, seconds: float, machine: float) -> dict[str, object]:
        noise = [0.99, 1.0, 1.01, 1.0, 0.99, 1.01]
        samples = ";".join(str(seconds * n) for n in noise)
        reference = ";".join([str(machine)] * len(noise))
        return {
            "model": model,
            LATENCY: seconds,
            "latency_p90_s_samples@cpu/litert/b1": samples,
            "reference_s_samples@cpu/litert/b1": reference,
        }

    # A took 12 ms while everything took 20 % longer: of itself it is the faster one, by 10 %.
    choice = cnnbench.choose(
        from_rows(row("A", 0.012, 1.2), row("B", 0.011, 1.0)), minimize=LATENCY
    )
    assert choice.winner is not None
    assert choice.winner.name == "B"
    assert [(c.name, c.tie_probability) for c in choice.ties] == [
        ("A", pytest.approx(1.0, abs=1e-3))
    ]


def test_a_significant_difference_is_no_tie(tmp_path: Path) -> None:
    run = tables.load(Book().latency("A", 0.01).latency("B", 0.012).write(tmp_path / "run"))
    choice = cnnbench.choose(run, minimize="latency_location")
    assert choice.winner is not None
    assert (choice.winner.name, choice.ties) == ("A", ())


def test_equal_counts_tie_and_the_one_with_more_room_is_named_first() -> None:
    equal = from_rows(
        {"model": "A", "macs": 10, "params": 9}, {"model": "B", "macs": 10, "params": 5}
    )
    choice = cnnbench.choose(equal, at_most={"params": 9}, minimize="macs")
    assert choice.winner is not None
    assert choice.winner.name == "B"
    assert [(c.name, c.tie_probability) for c in choice.ties] == [("A", 0.5)]


def test_a_failed_measurement_is_unknown_with_its_reason(tmp_path: Path) -> None:
    book = Book().static("A", macs=10).latency("A", 0.01).static("B", macs=5)
    run = tables.load(book.failed("B", "oom", "out of memory at 2 GiB").write(tmp_path / "run"))
    choice = cnnbench.choose(run, at_most={"latency_p90": "20ms"}, minimize="macs")
    assert choice.winner is not None
    assert choice.winner.name == "A"
    (unknown,) = [c for c in choice.candidates if c.verdict == "unknown"]
    assert unknown.violated[0].found.why_absent == "oom: out of memory at 2 GiB"
    assert "B: latency_p90_s@cpu/litert/b1: oom: out of memory" in choose_text.as_text(choice)


def test_accuracies_with_overlapping_intervals_tie() -> None:
    """0.80 ± 0.02 against 0.79 ± 0.02: standard errors of 0.0102 each, 0.01 apart, z = 0.693."""

    def row(model: str, top1: float, half: float) -> dict[str, object]:
        ends = {"_ci_low": top1 - half, "_ci_high": top1 + half}
        return {"model": model, "top1@d/s": top1, **{f"top1{e}@d/s": v for e, v in ends.items()}}

    rows = [row("A", 0.80, 0.02), row("B", 0.79, 0.02), row("C", 0.70, 0.02)]
    choice = cnnbench.choose(from_rows(*rows), maximize="top1")
    assert choice.winner is not None
    assert choice.winner.name == "A"
    assert [(c.name, c.tie_probability) for c in choice.ties] == [
        ("B", pytest.approx(0.244, abs=0.002))
    ]


def test_sizes_within_the_minimum_effect_tie() -> None:
    def row(model: str, size: float) -> dict[str, object]:
        name = "memory_infer_peak_bytes"
        return {
            "model": model,
            f"{name}@b1": size,
            f"{name}_ci_low@b1": size - 1,
            f"{name}_ci_high@b1": size + 1,
        }

    choice = cnnbench.choose(
        from_rows(row("A", 1000), row("B", 1040), row("C", 1060)), minimize="memory"
    )
    assert [c.name for c in choice.ties] == ["B"]


def test_names_networks_with_missing_numbers_that_may_be_better() -> None:
    def row(model: str, top1: float | None, low: float, high: float, size: float | None) -> object:
        ends = {"top1_ci_low@d/s": low, "top1_ci_high@d/s": high} if top1 else {}
        return {"model": model, "top1@d/s": top1, **ends, "file_bytes": size}

    rows = [
        row("A", 0.80, 0.79, 0.81, 5e6),
        row("B", None, 0, 0, 5e6),  # no accuracy: may be better
        row("C", None, 0, 0, 50e6),  # no accuracy, but too large whatever it is
        row("D", 0.85, 0.84, 0.86, None),  # better, and its size is not known
        row("E", 0.70, 0.69, 0.71, None),  # worse, whatever its size is
        row("F", 0.79, 0.76, 0.82, None),  # may be better
    ]
    choice = cnnbench.choose(from_rows(*rows), at_most={"file": "10MB"}, maximize="top1")  # type: ignore[arg-type]
    assert choice.winner is not None and choice.winner.name == "A"
    assert {c.name for c in choice.undecided} == {"B", "D", "F"}
    (line,) = [line for line in lines_of(choice) if "not ruled out" in line]
    assert line.endswith("which may be better") and "D (unknown)" in line
    assert [c["model"] for c in choice.to_json()["undecided"]] == [c.name for c in choice.undecided]
    known = cnnbench.choose(from_rows(rows[0], rows[4]), maximize="top1")  # type: ignore[arg-type]
    assert known.undecided == () and "not ruled out" not in choose_text.as_text(known)


def test_names_borderline_networks_that_may_be_better() -> None:
    ends = {f"latency_p90_s_ci_{end}@cpu/litert/b1" for end in ("low", "high")}
    rows = from_rows(
        {"model": "A", "macs": 5, LATENCY: 0.010, **dict.fromkeys(ends, 0.010)},
        {"model": "B", "macs": 3, LATENCY: 0.020, **dict(zip(sorted(ends), (0.022, 0.018)))},  # noqa: B905
        {"model": "C", "macs": 7, LATENCY: 0.020, **dict(zip(sorted(ends), (0.022, 0.018)))},  # noqa: B905
    )
    choice = cnnbench.choose(rows, at_most={LATENCY: "21ms"}, minimize="macs")
    assert choice.winner is not None and choice.winner.name == "A"
    assert "  not ruled out: B (borderline), which may be better" in lines_of(choice)


def test_values_without_samples_or_intervals_are_not_tested() -> None:
    choice = cnnbench.choose(SIMPLE[:2], minimize="latency_p90")
    assert [c.is_tested for c in choice.candidates] == [True, False]
    assert choice.to_json()["not_tested"] == [{"model": "B", "variant": "float32"}]
    assert any(
        line.startswith("  not tested against B: the table has") for line in lines_of(choice)
    )
    assert "not tested" not in choose_text.as_text(cnnbench.choose(SIMPLE, minimize="file"))


def test_does_not_claim_that_nothing_fits_while_a_number_is_missing() -> None:
    blank = SIMPLE.assign(file_bytes=[None, 8e6, None, 30e6, 9e6])
    choice = cnnbench.choose(blank, at_most={"file": "5MB"}, minimize=LATENCY)
    assert lines_of(choice)[0].startswith("Nothing is known to fit; the nearest is B")
    whole = cnnbench.choose(SIMPLE[1:], at_most={"file": "5MB"}, minimize=LATENCY)
    assert lines_of(whole)[0].startswith("Nothing fits; the nearest is B")
