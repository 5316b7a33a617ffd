"""Inputs mutated by Hypothesis: a clear error or a result; no traceback, hang or flood of memory.

A small profile runs with `make test`; the slow one tries ``CNNBENCH_FUZZ`` inputs (2,700). Both
print how many they tried.
"""

from __future__ import annotations

import io
import json
import os
import zipfile
import zlib
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cnnbench import metrics, units
from cnnbench.errors import UserError
from cnnbench.metrics import METRICS
from cnnbench.models import registry
from cnnbench.results import tables
from cnnbench.results.csv_files import to_csv
from tests.fuzz import mutations
from tests.fuzz.command_line import bounded, survives
from tests.fuzz.seeds import (
    ENVIRONMENTS,
    EXPRESSIONS,
    HEADER,
    JOURNAL,
    NAMES,
    ODD_SUITES,
    PUBLISHED,
    RECORDS,
    SMALL,
    SUITES,
)
from tests.models import keras_zip
from tests.records import record

FEW = 10
MANY = int(os.environ.get("CNNBENCH_FUZZ", "2700"))

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
        database=None,
        suppress_health_check=list(HealthCheck),
    )


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Create the folder of the inputs, with the files that names may refer to."""
    place = tmp_path_factory.mktemp("fuzz")
    (place / "nets.py").write_text("def net(input_shape=(8, 8, 1), classes=4): ...\n")
    (place / "network.keras").write_bytes(b"not a zip")
    (place / "run").mkdir()
    (place / "elsewhere").mkdir()
    (place / "elsewhere" / "records.jsonl").write_bytes(JOURNAL)
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


def check_keras_file(content: bytes, folder: Path) -> None:
    tried[".keras files"] += 1
    (folder / "mutated.keras").write_bytes(content)
    with bounded():
        try:
            model = registry.resolve("mutated.keras", (folder,))
            assert model.identity()["source_sha256"]
            assert all(size > 0 for size in model.input_shape) and model.classes >= 0
        except UserError as error:
            assert error.what


def check_environment(text: bytes, folder: Path) -> None:
    tried["environments"] += 1
    run = str(folder / "elsewhere")
    (folder / "elsewhere" / "environment.json").write_bytes(text)
    one_of(
        text,
        ("report", run),
        ("report", run, "--format", "md"),
        ("report", run, "--html", str(folder / "report.html")),
        ("compare", run, str(folder / "report.csv")),
    )


def one_of(text: bytes, *commands: tuple[str, ...]) -> None:
    """Return one of the commands, always the same for one input."""
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
    # Mostly the small one: the real ones contain more of the same.
    return mutations.bytes_of([SMALL] * 20 + PUBLISHED)


def keras_files() -> st.SearchStrategy[bytes]:
    def packed(config: object, way: int = zipfile.ZIP_STORED) -> bytes:
        stream = io.BytesIO()
        keras_zip.write(stream, config, way)
        return stream.getvalue()

    ways = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA)
    whole = [packed(keras_zip.NETWORK, way) for way in ways]
    return mutations.bytes_of(whole) | mutations.tree_of([keras_zip.NETWORK]).map(packed)


def environments() -> st.SearchStrategy[bytes]:
    trees = [json.loads(text) for text in ENVIRONMENTS]
    return mutations.bytes_of(ENVIRONMENTS) | mutations.tree_of(trees).map(
        lambda tree: json.dumps(tree).encode()
    )


# Share of all inputs; kinds that are fast to test have a larger share.
TARGETS = {
    "names": (names, check_name, 6),
    "expressions": (expressions, check_expression, 5),
    "suites": (suites, check_suite, 4),
    "journals": (journals, check_journal, 3),
    "csv": (csv_files, check_csv, 3),
    "keras files": (keras_files, check_keras_file, 4),
    "environments": (environments, check_environment, 2),
}
SHARES = sum(share for _, _, share in TARGETS.values())


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("many", [False, pytest.param(True, marks=pytest.mark.slow)])
def test_a_mutated_input_gives_a_result_or_a_clear_error(
    target: str, many: bool, folder: Path
) -> None:
    strategy, check, share = TARGETS[target]

    @profile(MANY * share // SHARES if many else FEW)
    @given(strategy())
    def try_one(mutated: bytes | str) -> None:
        check(mutated, folder)  # type: ignore[operator]

    try_one()


@pytest.mark.parametrize("text", ODD_SUITES)
def test_rejects_a_suite_that_would_take_forever_to_read(text: bytes, folder: Path) -> None:
    check_suite(text, folder)


def test_formulas_in_csv_are_neutralised_and_read_back(tmp_path: Path) -> None:
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
        file.write_text(to_csv(report), encoding="utf-8", newline="")
        assert list(tables.load(file).report["model"]) == list(report["model"])

    try_one()
