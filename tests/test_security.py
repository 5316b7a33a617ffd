"""The claims of `SECURITY.md`."""

from __future__ import annotations

import ast
import io
import json
import os
import re
import zipfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from cnnbench.cli import group
from cnnbench.errors import UserError
from cnnbench.models import registry
from cnnbench.probes.latency import calibrated_model
from cnnbench.report import html, table
from cnnbench.results import csv_files, tables
from cnnbench.results.tables import Run
from tests.chaos.harness import Workplace
from tests.conftest import ROOT
from tests.fuzz.command_line import bounded, survives
from tests.records import Book, record

SOURCES = sorted((ROOT / "cnnbench").rglob("*.py"))
HOSTILE = "<script>alert(1)</script>"

# Functions that execute their input or start a shell.
FORBIDDEN_IMPORTS = {"pickle", "cPickle", "dill", "cloudpickle", "joblib", "shelve", "marshal"}
FORBIDDEN_CALLS = {
    *("eval", "exec", "os.system", "os.popen", "yaml.load", "yaml.unsafe_load", "yaml.full_load"),
    *("pd.read_pickle", "np.fromfile", "enable_unsafe_deserialization"),
    "keras.config.enable_unsafe_deserialization",
}
FORBIDDEN_ARGUMENTS = {("allow_pickle", True), ("safe_mode", False), ("shell", True)}


@pytest.mark.parametrize("file", SOURCES, ids=lambda file: str(file.relative_to(ROOT)))
def test_no_source_calls_a_function_that_executes_its_input(file: Path) -> None:
    assert not list(_dangers(ast.parse(file.read_text(encoding="utf-8"))))


@pytest.mark.parametrize(
    "code",
    [
        "import pickle", "from joblib import load", "eval(x)", "os.system(x)", "yaml.load(x)",
        "np.load(x, allow_pickle=True)", "load_model(x, safe_mode=False)", "run(x, shell=True)",
    ],
)  # fmt: skip
def test_finds_each_forbidden_call(code: str) -> None:
    assert list(_dangers(ast.parse(code)))


def _dangers(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import | ast.ImportFrom):
            modules = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            modules += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            yield from (name for name in modules if name.split(".")[0] in FORBIDDEN_IMPORTS)
        elif isinstance(node, ast.Call):
            if ast.unparse(node.func) in FORBIDDEN_CALLS:
                yield ast.unparse(node.func)
            for word in node.keywords:
                value = word.value.value if isinstance(word.value, ast.Constant) else None
                if (word.arg, value) in FORBIDDEN_ARGUMENTS:
                    yield ast.unparse(node)


def test_rejects_yaml_tags_that_build_objects(tmp_path: Path) -> None:
    trace = tmp_path / "trace"
    suite = tmp_path / "evil.yaml"
    for tag in ("python/object/apply:os.system", "python/object/new:os.system"):
        suite.write_text(f"name: !!{tag} ['touch {trace}']\nmodels: [LeNet5]\n")
        survives("run", str(suite), "--dry-run")
    assert not trace.exists()


@pytest.mark.parametrize(
    "name", ["../../x", "/etc/x", "..", ".", "a/b", "a\\b", ".hidden", "x" * 65, "", "a\n", "é"]
)
def test_a_suites_name_cannot_escape_the_results_folder(tmp_path: Path, name: str) -> None:
    place = Workplace.make(tmp_path / "inside" / "place")
    suite = place.folder / "tiny.yaml"
    suite.write_text(suite.read_text().replace("name: tiny", f"name: {json.dumps(name)}"))
    before = set(tmp_path.rglob("*"))
    out = str(place.results)
    with pytest.raises(UserError, match="is not a valid name"):
        group.main(["run", str(suite), "--out", out], standalone_mode=False)
    assert set(tmp_path.rglob("*")) == before


@pytest.mark.slow
@pytest.mark.parametrize(
    "link", ["tiny", "tiny/RUN/logs", "tiny/RUN/artifacts", "tiny/RUN/.report.csv.part"]
)
def test_nothing_is_written_through_a_symbolic_link(tmp_path: Path, link: str) -> None:
    place = Workplace.make(tmp_path / "place")
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "precious").write_text("as it was")
    assert place.run("--only", "nets:net").code == 0
    (run,) = (place.results / "tiny").iterdir()
    where = place.results / link.replace("RUN", run.name)
    if where.exists():
        where.rename(tmp_path / "moved")
    where.symlink_to(elsewhere / ("precious" if where.name.endswith(".part") else ""))
    ended = place.run("--only", "nets:net[classes=5]")
    assert ended.code == 2, ended.stderr
    assert "symbolic link" in ended.stderr
    assert [file.name for file in elsewhere.iterdir()] == ["precious"]
    assert (elsewhere / "precious").read_text() == "as it was"


@pytest.mark.parametrize("name", ["suite.yaml", "environment.json"])
def test_no_file_enters_a_report_through_a_link(tmp_path: Path, name: str) -> None:
    secret = tmp_path / "secret"
    secret.write_text('{"cpu": "a secret of this machine"}')
    run = Book().static("A", params=1).write(tmp_path / "run")
    (run / name).unlink(missing_ok=True)
    (run / name).write_text(secret.read_text())
    assert "a secret of this machine" in html.page(tables.load(run)), (
        "it is shown where it is there"
    )
    (run / name).unlink()
    (run / name).symlink_to(secret)
    assert "a secret of this machine" not in html.page(tables.load(run))
    (run / name).unlink()
    os.mkfifo(run / name)
    with bounded():
        html.page(tables.load(run))
    (run / name).unlink()
    with (run / name).open("wb") as file:
        file.truncate(2**33)
    with bounded():
        html.page(tables.load(run))


def test_commands_that_only_read_run_no_builder(tmp_path: Path) -> None:
    trace = tmp_path / "trace"
    code = f"open({str(trace)!r}, 'w')\ndef net(input_shape=(8, 8, 1), classes=4): ...\n"
    (tmp_path / "own.py").write_text(code)
    suite = tmp_path / "own.yaml"
    suite.write_text("name: own\nmodels: ['own:net']\nprobes: {static: }\n")
    survives("run", str(suite), "--dry-run", "--out", str(tmp_path / "results"))
    report = tmp_path / "report.csv"
    report.write_text(csv_files.to_csv(tables.report([record("own:net", "static", params=1)])))
    survives("report", str(report))
    survives("choose", str(report), "--minimize", "params")
    survives("compare", str(report), str(report))
    assert not trace.exists()


def test_an_array_of_objects_is_not_unpickled(tmp_path: Path) -> None:
    trace = tmp_path / "trace"

    class Evil:
        def __reduce__(self) -> tuple[object, tuple[str, str]]:
            return open, (str(trace), "w")

    np.savez(tmp_path / calibrated_model.FILE, input_0=np.array([Evil()], dtype=object))  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="allow_pickle"):
        calibrated_model.read_expected(tmp_path)
    assert not trace.exists()


def keras_file(file: Path, layer: dict[str, object]) -> Path:
    config = {"class_name": "Sequential", "config": {"layers": [layer]}}
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("config.json", json.dumps(config))
        archive.writestr("metadata.json", "{}")
    return file


def test_rejects_a_keras_file_with_code_before_loading_it(tmp_path: Path) -> None:
    code = {"class_name": "__lambda__", "config": {"code": "4wAAAAA="}}
    layer = {"class_name": "Lambda", "config": {"function": code}}
    file = keras_file(tmp_path / "evil.keras", layer)
    with pytest.raises(UserError, match="whose Python code would run"):
        registry.resolve(str(file), (tmp_path,))


@pytest.mark.parametrize(
    "config",
    [
        [1], 3, None, {"config": []}, {"config": {"layers": 5}}, {"class_name": ["x"]},
        {"config": {"layers": [3, {"class_name": "InputLayer"}]}},
        {"config": {"layers": [{"class_name": "InputLayer", "config": {"batch_shape": 5}}]}},
        {"config": {"layers": [{"class_name": "Dense", "config": {"units": -5}}]}},
    ],
    ids=str,
)  # fmt: skip
def test_a_keras_file_with_any_json_gives_a_clear_error_or_a_result(
    tmp_path: Path, config: object
) -> None:
    file = tmp_path / "odd.keras"
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("config.json", json.dumps(config))
    try:
        model = registry.resolve(str(file), (tmp_path,))
        assert (model.input_shape, model.classes) == ((), 0)
    except UserError as error:
        assert "not a .keras file" in error.what


@pytest.mark.slow
def test_a_keras_file_that_names_a_system_function_calls_nothing(tmp_path: Path) -> None:
    trace = tmp_path / "trace"
    layer = {
        "module": "os", "class_name": "system", "registered_name": "system",
        "config": {"command": f"touch {trace}"},
    }  # fmt: skip
    model = registry.resolve(str(keras_file(tmp_path / "evil.keras", layer)), (tmp_path,))
    with pytest.raises(UserError, match="safe mode"):
        model.build()
    assert not trace.exists()


def test_names_are_escaped_in_html_and_markdown(tmp_path: Path) -> None:
    report = tables.measured(
        [
            record(HOSTILE, "static", params=1, macs=2, activation_infer_peak_bytes=3),
            record("B", "static", status="failed", reason=f"{HOSTILE} [bold]x[/bold] | y"),
        ]
    )
    page = html.page(Run(tmp_path, report))
    assert HOSTILE not in page
    assert re.search(r"default-src 'none'", page)
    assert "<script>" not in table.as_markdown(report, {})
    assert f"{HOSTILE} [bold]x[/bold] | y" in table.as_text(report, {}, 400)


def test_formulas_are_neutralised_in_csv_and_read_back(tmp_path: Path) -> None:
    evil = ["=cmd|' /C calc'!A0", "+1", "-1", "@SUM(A1)", "\t=1", "'=1", "＝1+1"]
    report = tables.report([record(name, "static", params=1, **{"=evil": 1.0}) for name in evil])
    text = csv_files.to_csv(report)
    cells = [cell for row in _csv_rows(text) for cell in row]
    assert not [cell for cell in cells if cell[:1] in ("=", "+", "-", "@", "\t", "＝")]
    file = tmp_path / "report.csv"
    file.write_text(text, encoding="utf-8", newline="")
    back = tables.load(file).report
    assert list(back["model"]) == evil
    assert list(back.columns) == list(report.columns)


def _csv_rows(text: str) -> list[list[str]]:
    import csv

    return list(csv.reader(io.StringIO(text)))
