"""Names of metrics on the command line."""

import pytest

from cnnbench import metrics
from cnnbench.errors import UserError

COLUMNS = [
    "model",
    "params",
    "trainable_params",
    "file_bytes",
    "file_gzip_bytes",
    "latency_p50_s@cpu/graph/b1",
    "latency_p50_s@cpu/litert/b1",
    "latency_p50_s_ci_low@cpu/litert/b1",
    "latency_p90_s@cpu/litert/b1",
    "top1@fashion_mnist/scratch/32px",
]


@pytest.mark.parametrize(
    ("expression", "column"),
    [
        ("params", "params"),
        ("file", "file_bytes"),
        ("latency_p90", "latency_p90_s@cpu/litert/b1"),
        ("latency_p50@cpu/litert/b1", "latency_p50_s@cpu/litert/b1"),
        ("latency_p50_s@cpu/graph/b1", "latency_p50_s@cpu/graph/b1"),
        ("top", "top1@fashion_mnist/scratch/32px"),
        ("top1@fashion_mnist", "top1@fashion_mnist/scratch/32px"),
        ("latency_p50@cpu/graph", "latency_p50_s@cpu/graph/b1"),
        ("latency_p50_s_ci_low@cpu/litert/b1", "latency_p50_s_ci_low@cpu/litert/b1"),
    ],
)
def test_resolve(expression: str, column: str) -> None:
    assert metrics.resolve(expression, COLUMNS) == column


def test_an_ambiguous_name_lists_its_candidates() -> None:
    with pytest.raises(UserError, match=r"ambiguous.*cpu/graph/b1.*cpu/litert/b1"):
        metrics.resolve("latency_p50", COLUMNS)


def test_an_abbreviated_setting_ends_at_a_separator() -> None:
    columns = ["top1@a/b", "top1@a/b/c", "top1@ab/c"]
    assert metrics.with_label("a/b", columns) == ["top1@a/b"]
    assert metrics.with_label("a", columns) == ["top1@a/b", "top1@a/b/c"]
    assert metrics.with_label("", columns) == columns
    with pytest.raises(UserError, match=r"ambiguous.*top1@a/b, top1@a/b/c"):
        metrics.resolve("top1@a", columns)


def test_the_shortest_unambiguous_prefix_names_a_setting() -> None:
    labels = ["f/32px/2ep/a=1/b=2", "f/32px/2ep/a=1/b=3", "f/32px/2ep", "cpu/graph/b1", "f/a=1", ""]
    cut = metrics.beginnings(labels)
    assert cut == {
        "f/32px/2ep/a=1/b=2": "f/32px/2ep/a=1/b=2",
        "f/32px/2ep/a=1/b=3": "f/32px/2ep/a=1/b=3",
        "f/32px/2ep": "f/32px/2ep",
        "cpu/graph/b1": "cpu/graph/b1",
        "f/a=1": "f/a=1",
        "": "",
    }
    more = ["f/32px/2ep/a=1/b=2", "f/32px/2ep/b=2/c=3", "g/1ep/a=1"]
    cut = metrics.beginnings(more)
    assert list(cut.values()) == ["f/32px/2ep/a=1", "f/32px/2ep/b=2", "g/1ep"]
    columns = [f"top1@{label}" for label in more]
    for label, beginning in cut.items():
        assert metrics.with_label(beginning + metrics.MORE, columns) == [f"top1@{label}"]


def test_companions_match_by_full_name_only() -> None:
    with pytest.raises(UserError, match="no metric 'latency_p50_s_ci'"):
        metrics.resolve("latency_p50_s_ci", COLUMNS)


def test_a_misspelt_metric_suggests_the_nearest() -> None:
    with pytest.raises(UserError, match="did you mean 'params'"):
        metrics.resolve("parms", COLUMNS)


@pytest.mark.parametrize(
    ("expression", "hint"),
    [
        ("top1@fasion_mnist", "did you mean 'top1@fashion_mnist'?"),
        ("latency", "one of: latency_p50, latency_p90"),
        ("top1@elsewhere/x", "one of: top1@fashion_mnist/scratch/32px"),
    ],
)
def test_suggests_the_nearest_metric(expression: str, hint: str) -> None:
    columns = ["top1@fashion_mnist/scratch/32px", "latency_p50_s@a/b", "latency_p90_s@a/b"]
    assert metrics.suggestion(expression, columns) == hint


def test_every_name_carries_its_unit() -> None:
    suffixes = {"s": "_s", "bytes": "_bytes", "px": "_px", "per_s": ("_per_s", "_qps")}
    for metric in metrics.METRICS.values():
        if metric.unit in suffixes:
            assert metric.name.endswith(suffixes[metric.unit]), metric.name
