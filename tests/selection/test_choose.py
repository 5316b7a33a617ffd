"""The choice, on tables whose answer is worked out by hand."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

import cnnbench
from cnnbench.errors import UserError
from cnnbench.results import tables
from cnnbench.selection.choose import text as choose_text
from tests.records import Book

LATENCY = "latency_p90_s@cpu/litert/b1"


def table(*rows: dict[str, object]) -> pd.DataFrame:
    return pd.DataFrame([{"variant": "float32", **row} for row in rows])


SIMPLE = table(
    {"model": "A", "file_bytes": 4e6, LATENCY: 0.010, "published_top1": 0.70},
    {"model": "B", "file_bytes": 8e6, LATENCY: 0.018, "published_top1": 0.75},
    {"model": "C", "file_bytes": 11.2e6, LATENCY: 0.019, "published_top1": 0.80},
    {"model": "D", "file_bytes": 30e6, LATENCY: 0.060, "published_top1": 0.85},
    {"model": "E", "file_bytes": 9e6, LATENCY: 0.019, "published_top1": 0.72},
)


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


def test_what_is_out_says_by_which_limit_and_by_how_much() -> None:
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


def test_nothing_fits_names_the_nearest_and_what_would_admit_it() -> None:
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


def test_where_one_limit_is_not_enough_those_of_the_nearest_are_named_together() -> None:
    choice = cnnbench.choose(
        SIMPLE, at_most={"file": "3MB", LATENCY: "5ms"}, maximize="published_top1"
    )
    (relaxation,) = choice.relaxations
    assert relaxation.candidate.name == "A"
    assert [value for _, value in relaxation.limits] == [4e6, pytest.approx(0.010)]


@pytest.mark.parametrize(
    ("limit", "verdict"), [("21ms", "fits"), ("19.5ms", "borderline"), ("17ms", "excluded")]
)
def test_an_interval_that_straddles_a_limit_is_borderline(limit: str, verdict: str) -> None:
    found = table(
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


def test_a_winner_that_cannot_be_told_from_the_next_is_a_tie(tmp_path: Path) -> None:
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


def test_a_winner_that_was_only_timed_in_better_hours_is_a_tie() -> None:
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
    choice = cnnbench.choose(table(row("A", 0.012, 1.2), row("B", 0.011, 1.0)), minimize=LATENCY)
    assert choice.winner is not None
    assert choice.winner.name == "B"
    assert [(c.name, c.tie_probability) for c in choice.ties] == [
        ("A", pytest.approx(1.0, abs=1e-3))
    ]


def test_a_clear_winner_is_no_tie(tmp_path: Path) -> None:
    run = tables.load(Book().latency("A", 0.01).latency("B", 0.012).write(tmp_path / "run"))
    choice = cnnbench.choose(run, minimize="latency_location")
    assert choice.winner is not None
    assert (choice.winner.name, choice.ties) == ("A", ())


def test_equal_counts_tie_and_the_one_with_more_room_is_named_first() -> None:
    equal = table({"model": "A", "macs": 10, "params": 9}, {"model": "B", "macs": 10, "params": 5})
    choice = cnnbench.choose(equal, at_most={"params": 9}, minimize="macs")
    assert choice.winner is not None
    assert choice.winner.name == "B"
    assert [(c.name, c.tie_probability) for c in choice.ties] == [("A", 0.5)]


def test_what_failed_is_not_known_and_says_why(tmp_path: Path) -> None:
    book = Book().static("A", macs=10).latency("A", 0.01).static("B", macs=5)
    run = tables.load(book.failed("B", "oom", "out of memory at 2 GiB").write(tmp_path / "run"))
    choice = cnnbench.choose(run, at_most={"latency_p90": "20ms"}, minimize="macs")
    assert choice.winner is not None
    assert choice.winner.name == "A"
    (unknown,) = [c for c in choice.candidates if c.verdict == "unknown"]
    assert unknown.violated[0].reason == "oom: out of memory at 2 GiB"
    assert "B: latency_p90_s@cpu/litert/b1: oom: out of memory" in choose_text.as_text(choice)


def test_an_accuracy_that_chance_explains_is_never_ranked() -> None:
    found = table(
        {"model": "A", "top1@digits/scratch": 0.12}, {"model": "B", "top1@digits/scratch": 0.11}
    )
    found["top1_verdict@digits/scratch"] = ["unstable: not above chance", "stable"]
    choice = cnnbench.choose(found, maximize="top1")
    assert choice.winner is not None
    assert choice.winner.name == "B"
    assert choice.candidates[1].violated[0].reason == "unstable: not above chance"


def test_several_tables_are_merged_on_model_and_variant() -> None:
    counts = table({"model": "A", "macs": 5}, {"model": "B", "macs": 3})
    times = table({"model": "B", LATENCY: 0.03, "macs": None}, {"model": "A", LATENCY: 0.01})
    choice = cnnbench.choose([counts, times], at_most={LATENCY: "20ms"}, minimize="macs")
    assert choice.winner is not None
    assert (choice.winner.name, len(choice.candidates)) == ("A", 2)


def test_times_of_two_machines_are_warned_of(tmp_path: Path) -> None:
    here = tables.load(Book().latency("A", 0.01).write(tmp_path / "here"))
    there = Book({"cpu": "Other"}).latency("B", 0.02).write(tmp_path / "there")
    choice = cnnbench.choose([here, tables.load(there)], minimize="latency_location")
    assert "measured in 2 environments" in " ".join(choice.warnings)


def test_a_column_without_a_number_makes_no_name_ambiguous() -> None:
    gpu = "latency_p90_s@gpu/litert/b1"
    skipped = SIMPLE.assign(**{gpu: None, gpu.replace("_s@", "_s_status@"): "skipped: no GPU"})
    assert cnnbench.choose(skipped, minimize="latency_p90").objective.column == LATENCY
    named = cnnbench.choose(skipped, minimize="latency_p90@gpu")
    assert named.winner is None
    assert "skipped: no GPU" in choose_text.as_text(named)


def test_a_long_setting_stands_in_full_in_the_first_line_alone() -> None:
    long = "top1@digits/scratch/2ep/batch_size=32/optimizer=sgd"
    table_ = SIMPLE.assign(**{long: SIMPLE["published_top1"]})
    choice = cnnbench.choose(table_, at_most={"file": "10MB"}, maximize="top1@digits")
    first, *rest = choose_text.as_text(choice).splitlines()
    assert long in first
    assert any("Pareto front over top1@digits/scratch/2ep/…, file_bytes" in line for line in rest)
    assert not any(long in line for line in rest)


def test_a_choice_by_times_of_few_processes_says_so(tmp_path: Path) -> None:
    few = Book().latency("A", 0.01, rounds=2).latency("B", 0.02, rounds=2).latency("C", 0.03)
    run = tables.load(few.write(tmp_path / "run"))
    (warning,) = cnnbench.choose(run, minimize="latency_p50").warnings
    assert "has fewer than 6 processes" in warning
    assert warning.endswith(": A, B")


def test_an_accuracy_on_another_size_is_warned_of() -> None:
    mixed = table(
        {
            "model": "A",
            "input_shape": "224x224x3",
            "classes": 1000,
            "macs": 5,
            "top1@fashion_mnist/scratch/32px": 0.8,
        }
    )
    choice = cnnbench.choose(mixed, at_most={"macs": "1k"}, maximize="top1")
    assert "measured on 32 px" in choice.warnings[0]
    assert cnnbench.choose(mixed, maximize="top1").warnings == ()


def test_a_journal_and_its_table_warn_of_the_same_images(tmp_path: Path) -> None:
    book = Book(shape=(224, 224, 3), classes=1000).static("A", macs=5).accuracy("A", [0.8])
    run = tables.load(book.write(tmp_path / "run"))
    found = cnnbench.choose(run, at_most={"macs": "1k"}, maximize="top1").warnings
    assert found[0].startswith("top1@digits/scratch/32px/2ep was measured on 32 px")
    assert cnnbench.choose(run.report, at_most={"macs": "1k"}, maximize="top1").warnings == found


def test_an_accuracy_at_each_networks_own_input_is_warned_of_where_its_classes_differ() -> None:
    name = "top1@fashion_mnist/scratch/own"
    rows = [
        {"model": "A", "input_shape": "96x96x3", "classes": 10, "macs": 5, name: 0.8},
        {"model": "B", "input_shape": "160x160x3", "classes": 1000, "macs": 6, name: 0.9},
    ]
    warn = [
        f"{name} was measured at each network's own input, with that data set's classes; "
        "other metrics use the model's own classes: B"
    ]
    choice = cnnbench.choose(table(*rows), at_most={"macs": "1k"}, maximize="top1")
    assert list(choice.warnings) == warn
    assert choice.winner is not None
    assert choice.winner.name == "B", "networks of several sizes are chosen between"
    rows[1]["classes"] = 10
    assert cnnbench.choose(table(*rows), at_most={"macs": "1k"}, maximize="top1").warnings == ()


def test_a_network_that_comes_trained_is_judged_at_its_own_input() -> None:
    row = {"model": "A", "input_shape": "299x299x3", "macs": 5, "top1@photos/pretrained": 0.8}
    assert cnnbench.choose(table(row), at_most={"macs": "1k"}, maximize="top1").warnings == ()


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
def test_mistakes_are_one_clear_line(wanted: dict[str, object], complaint: str) -> None:
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
def test_a_limit_that_no_number_can_reach_is_a_mistake(limit: dict[str, str], words: str) -> None:
    with pytest.raises(UserError) as caught:
        cnnbench.choose(SIMPLE, at_least=limit, minimize="file")
    assert words in str(caught.value)


def test_only_what_decides_is_warned_of() -> None:
    other = SIMPLE.assign(file_bytes=SIMPLE["file_bytes"] + 1, published_top1=0.5)
    found = cnnbench.choose([SIMPLE, other], minimize="file")
    assert [words.partition(" is in")[0] for words in found.warnings] == ["file_bytes"]


def test_accuracies_that_overlap_are_a_tie_by_their_intervals() -> None:
    """0.80 ± 0.02 against 0.79 ± 0.02: standard errors of 0.0102 each, 0.01 apart, z = 0.693."""

    def row(model: str, top1: float, half: float) -> dict[str, object]:
        ends = {"_ci_low": top1 - half, "_ci_high": top1 + half}
        return {"model": model, "top1@d/s": top1, **{f"top1{e}@d/s": v for e, v in ends.items()}}

    rows = [row("A", 0.80, 0.02), row("B", 0.79, 0.02), row("C", 0.70, 0.02)]
    choice = cnnbench.choose(table(*rows), maximize="top1")
    assert choice.winner is not None
    assert choice.winner.name == "A"
    assert [(c.name, c.tie_probability) for c in choice.ties] == [
        ("B", pytest.approx(0.244, abs=0.002))
    ]


def test_sizes_with_intervals_alone_are_a_tie_within_the_least_effect() -> None:
    def row(model: str, size: float) -> dict[str, object]:
        name = "memory_infer_peak_bytes"
        return {
            "model": model,
            f"{name}@b1": size,
            f"{name}_ci_low@b1": size - 1,
            f"{name}_ci_high@b1": size + 1,
        }

    choice = cnnbench.choose(
        table(row("A", 1000), row("B", 1040), row("C", 1060)), minimize="memory"
    )
    assert [c.name for c in choice.ties] == ["B"]


def test_a_limit_that_is_suggested_truly_admits() -> None:
    rows = [{"model": "A", "file_bytes": 11.234e6, "published_top1": 0.7546}]
    for limits in ({"at_most": {"file": "10MB"}}, {"at_least": {"published_top1": "80%"}}):
        choice = cnnbench.choose(table(*rows), minimize="file", **limits)  # type: ignore[arg-type]
        ((limit, value),) = choice.relaxations[0].limits
        assert value == pytest.approx(11.3e6 if limit.side == "max" else 0.754)
        wider = {f"at_{'most' if limit.side == 'max' else 'least'}": {limit.column: value}}
        again = cnnbench.choose(table(*rows), minimize="file", **wider)  # type: ignore[arg-type]
        assert again.winner is not None


def test_compressed_rows_of_another_size_are_warned_of_and_doubt_is_said() -> None:
    rows = table(
        {"model": "A", "variant": "float32", "file_bytes": 9, "input_shape": "224x224x3",
         "classes": 1000, "top1@d/s": 0.8,
         "top1_verdict@d/s": "unstable: one seed, at least 2 needed"},
        {"model": "A", "variant": "ptq-int8", "file_bytes": 3, "input_shape": "32x32x3",
         "classes": 10},
    )  # fmt: skip
    assert any(
        "compressed rows" in words for words in cnnbench.choose(rows, minimize="file").warnings
    )
    text = choose_text.as_text(cnnbench.choose(rows, maximize="top1"))
    assert "  doubtful: top1@d/s: one seed, at least 2 needed" in text.splitlines()


def lines_of(choice: cnnbench.report.choose.Choice) -> list[str]:
    return choose_text.as_text(choice).splitlines()


def test_a_winner_beside_numbers_that_are_missing_says_who_is_not_ruled_out() -> None:
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
    choice = cnnbench.choose(table(*rows), at_most={"file": "10MB"}, maximize="top1")  # type: ignore[arg-type]
    assert choice.winner is not None and choice.winner.name == "A"
    assert {c.name for c in choice.undecided} == {"B", "D", "F"}
    (line,) = [line for line in lines_of(choice) if "not ruled out" in line]
    assert line.endswith("which may be better") and "D (unknown)" in line
    assert [c["model"] for c in choice.to_json()["undecided"]] == [c.name for c in choice.undecided]
    known = cnnbench.choose(table(rows[0], rows[4]), maximize="top1")  # type: ignore[arg-type]
    assert known.undecided == () and "not ruled out" not in choose_text.as_text(known)


def test_a_borderline_network_that_is_better_is_not_ruled_out() -> None:
    ends = {f"latency_p90_s_ci_{end}@cpu/litert/b1" for end in ("low", "high")}
    rows = table(
        {"model": "A", "macs": 5, LATENCY: 0.010, **dict.fromkeys(ends, 0.010)},
        {"model": "B", "macs": 3, LATENCY: 0.020, **dict(zip(sorted(ends), (0.022, 0.018)))},  # noqa: B905
        {"model": "C", "macs": 7, LATENCY: 0.020, **dict(zip(sorted(ends), (0.022, 0.018)))},  # noqa: B905
    )
    choice = cnnbench.choose(rows, at_most={LATENCY: "21ms"}, minimize="macs")
    assert choice.winner is not None and choice.winner.name == "A"
    assert "  not ruled out: B (borderline), which may be better" in lines_of(choice)


def test_bare_numbers_are_no_test() -> None:
    choice = cnnbench.choose(SIMPLE[:2], minimize="latency_p90")
    assert [c.is_tested for c in choice.candidates] == [True, False]
    assert choice.to_json()["not_tested"] == [{"model": "B", "variant": "float32"}]
    assert any(
        line.startswith("  not tested against B: the table has") for line in lines_of(choice)
    )
    assert "not tested" not in choose_text.as_text(cnnbench.choose(SIMPLE, minimize="file"))


def test_a_doubt_about_a_limited_number_is_said_too() -> None:
    verdict = {"latency_p90_s_verdict@cpu/litert/b1": "unstable: drifting in 4 of 6 rounds"}
    rows = SIMPLE[:2].assign(**verdict)
    choice = cnnbench.choose(rows, at_most={LATENCY: "20ms"}, minimize="file")
    assert f"  doubtful: {LATENCY}: drifting in 4 of 6 rounds" in lines_of(choice)
    text = choose_text.as_text(cnnbench.choose(rows, minimize="latency_p90"))
    assert "  B: 18 ms, 8.00 ms behind, doubtful" in text.splitlines()


def test_nothing_fits_is_not_said_of_what_is_not_known() -> None:
    blank = SIMPLE.assign(file_bytes=[None, 8e6, None, 30e6, 9e6])
    choice = cnnbench.choose(blank, at_most={"file": "5MB"}, minimize=LATENCY)
    assert lines_of(choice)[0].startswith("Nothing is known to fit; the nearest is B")
    whole = cnnbench.choose(SIMPLE[1:], at_most={"file": "5MB"}, minimize=LATENCY)
    assert lines_of(whole)[0].startswith("Nothing fits; the nearest is B")
