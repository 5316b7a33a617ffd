"""Inputs mutated by Hypothesis: a clear error or a result; no traceback, hang or flood of memory.

A small profile runs with `make test`; the slow one tries ``CNNBENCH_FUZZ`` inputs (10,500). Both
print how many they tried.
"""

from __future__ import annotations

import json
import os
import zlib
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cnnbench.core import metrics, units
from cnnbench.core.errors import UserError
from cnnbench.core.metrics import METRICS
from cnnbench.core.record import Record
from cnnbench.models import registry
from cnnbench.store import tables
from cnnbench.store.journal import Header
from tests.conftest import ROOT
from tests.fuzz import mutations
from tests.fuzz.door import bounded, survives
from tests.store.records import record

FEW = 25
MANY = int(os.environ.get("CNNBENCH_FUZZ", "10500"))

tried: Counter[str] = Counter()
Check = Callable[[Callable[[], None]], Callable[[], None]]


@pytest.fixture(scope="module", autouse=True)
def count(request: pytest.FixtureRequest) -> Iterator[None]:
    """Print how many inputs were tried."""
    tried.clear()
    yield
    capture = request.config.pluginmanager.getplugin("capturemanager")
    with capture.global_and_fixture_disabled():
        print(f"\n{tried.total()} mutated inputs: {dict(tried)}")


def profile(examples: int) -> settings:
    return settings(
        max_examples=examples,
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
    )


SUITES = [file.read_bytes() for file in sorted((ROOT / "suites").glob("*.yaml"))]
BOMB = b"a: &a [x, x]\n" + b"".join(
    b"b%d: &b%d [*%s, *%s]\n" % (i, i, name, name)
    for i, name in enumerate([b"a", *(b"b%d" % i for i in range(30))])
)
# Every key twice: what is counted by its path alone is counted once.
TWIN_BOMB = b"a0: &a0 {x: 1, x: 1}\n" + b"".join(
    b"a%d: &a%d {x: *a%d, x: *a%d}\n" % (i, i, i - 1, i - 1) for i in range(1, 31)
)
ODD_SUITES = [
    *(BOMB, BOMB + SUITES[0], TWIN_BOMB, TWIN_BOMB + SUITES[0]),
    *(b"a: &a {<<: *a}\n", b"[" * 3000, b"? [a]\n: b\n"),
]
NAMES = [
    "MobileNetV2[alpha=0.5,input_shape=128x128x3]", "lenet-5", "nets:net", "nets.py:net[classes=3]",
    "network.keras", "ResNet50[weights='a, b']", "EfficientNetB0[classifier_activation=none]",
]  # fmt: skip
EXPRESSIONS = [
    "latency_p90@cpu/litert/b1=20ms", "file=10MB", "top1=90%", "params=4M", "latency_p50_s=1.5s",
    "memory_infer_peak_bytes@b8=1GiB", "macs=300000",
]  # fmt: skip


def some_records() -> list[Record]:
    """A record of every probe."""
    timed = {"latency_location_s": 0.01, "latency_p50_s": 0.01, "reference_s": 0.001}
    accuracy = {"dataset": "digits", "image_size": 32}
    return [
        record("A", "static", params=10, macs=5, activation_infer_peak_bytes=4.0),
        record("B", "static", status="oom", reason="out of memory: signal 9"),
        record("A", "memory", setting={"batch_size": 8}, memory_infer_peak_bytes=1e6),
        *(
            record("A", "latency", repeat, samples={"latency_s": [0.01] * 12},
                   details={"precision": 0.05, "flags": ["drifting: +14 %"]}, **timed)
            for repeat in range(3)
        ),
        record("A", "latency", "prepare", file_bytes=100),
        record("A", "accuracy", setting=accuracy, top1=0.9, top5=1.0,
               details={"n_test": 360, "chance": 0.1, "n_problems": 1, "problems": ["a: damaged"],
                        "curve": [{"loss": 0.5, "top1": 0.9, "seconds": 1.0}]}),
        record("A", "memory", setting={"batch_size": 1}, memory_infer_peak_bytes=1e6,
               samples={"timeline_s": [0.0, 1.0], "timeline_bytes": [1e6, 2e6]},
               details={"phases": [["opened", 0.5]], "cell_limit_s": 60}),
    ]  # fmt: skip


HEADER = Header(plan="p", environment="e", cnnbench="0").to_json()
RECORDS = [json.loads(each.to_json()) for each in some_records()]
JOURNAL = "\n".join([HEADER, *map(json.dumps, RECORDS)]).encode() + b"\n"
SMALL = tables.to_csv(tables.report(some_records())).encode()
PUBLISHED = [
    file.read_bytes() for file in sorted((ROOT / "results/published").glob("*/report.csv"))
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the inputs are put; what a name may find is there."""
    place = tmp_path_factory.mktemp("fuzz")
    (place / "nets.py").write_text("def net(input_shape=(8, 8, 1), classes=4): ...\n")
    (place / "network.keras").write_bytes(b"not a zip")
    (place / "run").mkdir()
    (place / "report.csv").write_bytes(SMALL)
    return place


def check_suite(text: bytes, folder: Path) -> None:
    tried["suites"] += 1
    file = folder / "suite.yaml"
    file.write_bytes(text)
    survives("run", str(file), "--dry-run", "--out", str(folder / "results"))


def check_name(text: str, folder: Path) -> None:
    tried["names"] += 1
    with bounded():
        try:
            model = registry.resolve(text, (folder,))
            assert registry.resolve(model.label, (folder,)).label == model.label or ":" in text
        except UserError as error:
            assert error.what


def check_expression(text: str, folder: Path) -> None:
    tried["expressions"] += 1
    report = str(folder / "report.csv")
    name, _, value = text.rpartition("=")
    one_of(
        text.encode(errors="replace"),
        ("choose", report, "--max", text, "--minimize", "params"),
        ("choose", report, "--minimize", name or text),
        ("report", report, "--metric", name or text),
        ("compare", report, report, "--metric", name or text, "--threshold", value),
    )
    for unit in ("s", "bytes", "count", "fraction", "px", "per_s", "ratio"):
        try:
            units.parse(value, unit)  # type: ignore[arg-type]
            metrics.resolve(name, METRICS)
        except UserError as error:
            assert error.what


def check_journal(text: bytes, folder: Path) -> None:
    tried["journals"] += 1
    (folder / "run" / "records.jsonl").write_bytes(text)
    run = str(folder / "run")
    one_of(
        text,
        ("report", run),
        ("report", run, "--format", "csv"),
        ("report", run, "--html", str(folder / "report.html")),
        ("choose", run, "--minimize", "params", "--max", "latency_p50=1s"),
        ("compare", run, str(folder / "report.csv")),
    )


def check_csv(text: bytes, folder: Path) -> None:
    tried["CSV files"] += 1
    file = str(folder / "mutated.csv")
    Path(file).write_bytes(text)
    one_of(
        text,
        ("report", file),
        ("report", file, "--format", "md"),
        ("report", file, "--html", str(folder / "report.html")),
        ("choose", file, "--minimize", "params", "--max", "macs=1G", "--json"),
        ("compare", str(folder / "report.csv"), file, "--force"),
        ("compare", file, str(folder / "report.csv"), "--json"),
    )


def one_of(text: bytes, *commands: tuple[str, ...]) -> None:
    """Give one of the commands, always the same for one input."""
    survives(*commands[zlib.crc32(text) % len(commands)])


def suites() -> st.SearchStrategy[bytes]:
    trees = [yaml.safe_load(text) for text in SUITES]
    return st.one_of(
        st.sampled_from(ODD_SUITES),
        mutations.bytes_of(SUITES),
        mutations.tree_of(trees).map(lambda tree: yaml.safe_dump(tree).encode("utf-8", "replace")),
        mutations.tree_of(trees).map(lambda tree: json.dumps(tree).encode()),
    )


def names() -> st.SearchStrategy[str]:
    seeds = [name.encode() for name in NAMES]
    return st.text(max_size=60) | mutations.bytes_of(seeds).map(
        lambda b: b.decode(errors="replace")
    )


def expressions() -> st.SearchStrategy[str]:
    seeds = [name.encode() for name in EXPRESSIONS]
    return st.text(max_size=60) | mutations.bytes_of(seeds).map(
        lambda b: b.decode(errors="replace")
    )


def journals() -> st.SearchStrategy[bytes]:
    def lines(records: list[object]) -> bytes:
        return "\n".join([HEADER, *map(json.dumps, records)]).encode() + b"\n"

    return mutations.bytes_of([JOURNAL]) | mutations.tree_of([RECORDS]).map(lines)


def csv_files() -> st.SearchStrategy[bytes]:
    # The small one most of the time: what a real one has more of is more of the same.
    return mutations.bytes_of([SMALL] * 20 + PUBLISHED)


# What is cheap to try is tried more often: the share of all inputs.
TARGETS = {
    "names": (names, check_name, 6),
    "expressions": (expressions, check_expression, 5),
    "suites": (suites, check_suite, 4),
    "journals": (journals, check_journal, 3),
    "csv": (csv_files, check_csv, 3),
}
SHARES = sum(share for _, _, share in TARGETS.values())


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("many", [False, pytest.param(True, marks=pytest.mark.slow)])
def test_a_mutated_input_is_refused_in_words_or_gives_a_result(
    target: str, many: bool, folder: Path
) -> None:
    strategy, check, share = TARGETS[target]

    @profile(MANY * share // SHARES if many else FEW)
    @given(strategy())
    def try_one(mutated: bytes | str) -> None:
        check(mutated, folder)  # type: ignore[operator]

    try_one()


@pytest.mark.parametrize("text", ODD_SUITES)
def test_a_suite_made_to_hang_is_refused_in_words(text: bytes, folder: Path) -> None:
    check_suite(text, folder)


def test_texts_that_a_spreadsheet_would_run_come_back_from_csv_as_they_were(tmp_path: Path) -> None:
    @profile(100)
    @given(
        st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00\r"), max_size=20)
        | st.sampled_from(
            [
                "=1+1",
                "'=1",
                "''=1",
                "'",
                "-",
                "+1",
                "@x",
                "\t=1",
                "NA",
                "1",
                "1.0",
                "nan",
                "\n",
                '"',
                "a,b",
            ]
        )
    )
    def try_one(text: str) -> None:
        tried["CSV round trips"] += 1
        report = tables.report(
            [record("M" + text, "static", params=1), record(text or "x", "static", params=2)]
        )
        file = tmp_path / "report.csv"
        file.write_text(tables.to_csv(report), encoding="utf-8", newline="")
        assert list(tables.load(file).report["model"]) == list(report["model"])

    try_one()
