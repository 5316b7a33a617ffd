"""Verdicts and statuses: values in memory, the same text in a table."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cnnbench.statistics import verdict
from cnnbench.statistics.measurement import CellStatus, StatusKind
from cnnbench.statistics.verdict import Verdict, VerdictKind


@pytest.mark.parametrize(
    ("text", "kind", "reasons"),
    [
        ("", VerdictKind.NOT_REPEATED, ()),
        ("stable", VerdictKind.STABLE, ()),
        ("stable for one training", VerdictKind.ONE_TRAINING, ()),
        ("unstable", VerdictKind.UNSTABLE, ()),
        ("unstable: a; b", VerdictKind.UNSTABLE, ("a", "b")),
        ("unstable: not above chance; a", VerdictKind.NOT_ABOVE_CHANCE, ("not above chance", "a")),
        (
            "unstable: one seed, at least 2 needed",
            VerdictKind.ONE_SEED,
            ("one seed, at least 2 needed",),
        ),
        # As older tables say it.
        ("unstable: one seed, 2 at least", VerdictKind.ONE_SEED, ("one seed, 2 at least",)),
        ("stable, they say", VerdictKind.OTHER, ("stable, they say",)),
    ],
)
def test_reads_a_verdict_and_writes_it_back(
    text: str, kind: VerdictKind, reasons: tuple[str, ...]
) -> None:
    found = Verdict.parse(text)
    assert (found.kind, found.reasons, str(found)) == (kind, reasons, text)


@given(st.text())
def test_reads_any_text_of_a_table_and_writes_it_back(text: str) -> None:
    for words in (text, f"unstable: {text}", f"failed: {text}", f"skipped{text}"):
        assert str(Verdict.parse(words)) == words
        assert str(CellStatus.parse(words)) == words


def test_a_verdict_says_how_a_number_may_be_used() -> None:
    blind, draw = verdict.NOT_ABOVE_CHANCE, verdict.ONE_SEED
    assert blind.is_doubtful and not blind.is_above_chance and not blind.is_one_draw
    assert draw.is_doubtful and draw.is_above_chance and draw.is_one_draw
    assert not verdict.ONE_TRAINING.is_doubtful and verdict.ONE_TRAINING.is_one_draw
    assert not verdict.STABLE.is_worth_a_note and Verdict.parse("hm").is_worth_a_note
    assert blind.doubted("a flag") == Verdict.parse("unstable: not above chance; a flag")
    assert verdict.STABLE.doubted("a flag") == Verdict.unstable("a flag")


@pytest.mark.parametrize(
    ("text", "kind", "reason"),
    [
        ("", StatusKind.UNKNOWN, ""),
        ("ok", StatusKind.OK, ""),
        ("oom: out of memory", StatusKind.OOM, "out of memory"),
        ("timeout", StatusKind.TIMEOUT, ""),
        ("failed softly", StatusKind.NOTE, "failed softly"),
        ("5 more calls needed for p90", StatusKind.NOTE, "5 more calls needed for p90"),
    ],
)
def test_reads_a_status_and_writes_it_back(text: str, kind: StatusKind, reason: str) -> None:
    found = CellStatus.parse(text)
    assert (found.kind, found.reason, str(found)) == (kind, reason, text)
    assert found.is_failure == (kind in (StatusKind.OOM, StatusKind.TIMEOUT))
