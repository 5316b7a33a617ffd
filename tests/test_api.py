"""The public API: declared names, lazy imports, and `cnnbench.run`."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import cnnbench
from cnnbench.api.run import planned
from cnnbench.execution.job import JobRequest, JobResult
from cnnbench.execution.runner import Observer
from cnnbench.suite.plan import Job
from tests.conftest import ROOT
from tests.execution.fake import FakeExecutor

SUITE = {"name": "tiny", "models": ["LeNet5", "BasicCNN"], "probes": {"static": {}}}
TEXT = "name: tiny\nmodels: [LeNet5, BasicCNN]\nprobes: {static: {}}\n"
HEAVY = {"tensorflow", "keras", "tf_keras", "pandas", "numpy", "scipy", "altair", "click", "rich"}


def modules_after(code: str) -> set[str]:
    """Return the names of the modules that a new process has loaded after ``code``."""
    program = f"import sys\n{code}\nprint(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 0, done.stderr
    return set(done.stdout.split())


def test_importing_cnnbench_loads_no_other_module_of_it() -> None:
    modules = modules_after("import cnnbench")
    assert {name for name in modules if name.startswith("cnnbench")} == {"cnnbench"}
    assert not modules & HEAVY


def test_running_loading_choosing_and_comparing_need_no_tensorflow() -> None:
    modules = modules_after("from cnnbench import run, load, choose, compare, register, UserError")
    assert not modules & {"tensorflow", "keras", "tf_keras", "altair", "click"}


def test_every_public_name_is_declared_for_type_checkers() -> None:
    tree = ast.parse((ROOT / "cnnbench" / "__init__.py").read_text("utf-8"))
    (block,) = (node for node in tree.body if isinstance(node, ast.If))
    imports = [node for node in block.body if isinstance(node, ast.ImportFrom)]
    typed = {alias.name: node.module for node in imports for alias in node.names}
    assert typed == {**cnnbench._WHERE, "plots": "cnnbench"}
    assert sorted(cnnbench.__all__) == sorted([*typed, "__version__"])
    assert dir(cnnbench) == cnnbench.__all__


@pytest.mark.parametrize("name", cnnbench.__all__)
def test_every_public_name_exists_and_is_documented(name: str) -> None:
    found = getattr(cnnbench, name)
    page = (ROOT / "docs" / "api.md").read_text("utf-8")
    assert name == "__version__" or (found.__doc__ and name in page)


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="'cnnbench' has no attribute 'measure'"):
        cnnbench.measure  # noqa: B018


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("CNNBENCH_DATA", raising=False)
    return tmp_path


@pytest.mark.parametrize("form", ["dictionary", "text", "file", "name of a file"])
def test_runs_a_suite_given_as_file_text_or_dictionary(form: str, here: Path) -> None:
    (here / "tiny.yaml").write_text(TEXT)
    suite: Any = {
        "dictionary": SUITE, "text": TEXT, "file": here / "tiny.yaml", "name of a file": "tiny.yaml"
    }[form]  # fmt: skip
    executor = FakeExecutor()
    run = cnnbench.run(suite, on=executor)
    assert [request.model for request in executor.requests] == ["LeNet5", "BasicCNN"]
    assert list(run.report["model"]) == ["LeNet5", "BasicCNN"]
    assert run.path.parent == Path("results", "tiny")
    assert (run.path / "report.html").exists()
    again = cnnbench.run(planned(TEXT).suite.source.data, on=executor)
    assert (again.path, len(executor.requests)) == (run.path, 2), "resumed, nothing left to do"


def test_runs_a_packaged_suite_by_name() -> None:
    assert planned("smoke").suite.name == "smoke"


def test_runs_a_part_of_a_suite_in_another_folder_and_again(here: Path) -> None:
    executor = FakeExecutor()
    first = cnnbench.run(
        SUITE, out=here / "there", only=["basic_cnn"], probes=["static"], on=executor
    )
    assert [record.model for record in first.raw] == ["BasicCNN"]
    second = cnnbench.run(SUITE, out="there", on=executor, fresh=True)
    assert second.path != first.path
    assert [record.model for record in second.raw] == ["LeNet5", "BasicCNN"]


def test_a_failed_job_is_a_record_and_a_row(here: Path) -> None:
    def fails(request: JobRequest) -> JobResult:
        return JobResult("failed", reason="no such luck")

    run = cnnbench.run(SUITE, on=FakeExecutor(fails))
    assert {record.status for record in run.raw} == {"failed"}
    assert len(run.measured) == 2


def test_progress_is_silent_shown_or_passed_to_an_observer(
    here: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    class Told(Observer):
        jobs: list[str] = []
        is_closed = False

        def job_started(self, job: Job) -> None:
            self.jobs.append(job.title())

        def close(self) -> None:
            self.is_closed = True

    told = Told()
    cnnbench.run(SUITE, on=FakeExecutor(), progress=told)
    assert told.jobs == ["LeNet5 static b1", "BasicCNN static b1"] and told.is_closed
    cnnbench.run(SUITE, on=FakeExecutor())
    assert capfd.readouterr() == ("", "")
    cnnbench.run(SUITE, on=FakeExecutor(), progress=True)
    out, err = capfd.readouterr()
    assert out == "" and "2 jobs done, 0 to do" in err


@pytest.mark.parametrize(
    ("suite", "words"),
    [
        ({**SUITE, "models": ["LeNet"]}, "suite: models.0: unknown model 'LeNet'"),
        ({**SUITE, "models": [object]}, "suite: models.0: <class 'object'> is of type type"),
        ({**SUITE, "name": "a\x1bb"}, "suite: name: a control character (remove it)"),
        ({}, "suite: 'name' is missing"),
        ({**SUITE, "limits": {"memory": 8}}, "suite: limits.memory: 8 bytes is too small"),
        ({**SUITE, "probes": {"static": {"batch": 1}}}, "unknown key 'probes.static.batch'"),
        ("smok", "no suite 'smok' (did you mean 'smoke'?)"),
        ("no.yaml", "no.yaml: cannot be read"),
    ],
)
def test_a_mistake_in_a_suite_is_a_user_error(suite: Any, words: str, here: Path) -> None:
    with pytest.raises(cnnbench.UserError) as error:
        cnnbench.run(suite, on=FakeExecutor())
    assert words in str(error.value)
    with pytest.raises(cnnbench.UserError, match="on: unknown executor 'locl'"):
        cnnbench.run(SUITE, on="locl")


def test_an_inspection_prints_as_on_the_command_line_and_is_a_table_in_a_notebook() -> None:
    from click.testing import CliRunner

    from cnnbench.cli.inspect import command

    found = cnnbench.inspect("LeNet5")
    assert f"{found}\n" == CliRunner().invoke(command, ["LeNet5"]).stdout
    assert repr(found) == str(found)
    html = found._repr_html_()
    assert html.startswith("<table>\n<caption>LeNet5, input 32x32x1, batch 1</caption>")
    assert "<tr><td>macs</td><td>416,520</td><td></td></tr>" in html


def test_predictions_print_a_class_a_line_and_are_a_table_in_a_notebook() -> None:
    from cnnbench.tasks.classification.outputs import Guess

    best = [Guess(3, "dress", 0.75), Guess(0, "<b>", 0.25)]
    found = cnnbench.Predictions((Path("a\x1b.png"),), [best])
    assert str(found) == "a\\x1b.png\n   75.0 %  dress\n   25.0 %  <b>"
    assert "<td>a\\x1b.png</td><td>&lt;b&gt;</td>" in found._repr_html_()
    assert found.to_json()[0]["classes"][0] == {"number": 3, "name": "dress", "probability": 0.75}


def live_model(classes: int = 3) -> Any:
    keras = pytest.importorskip("keras")
    layers = [keras.layers.Flatten(name="flat"), keras.layers.Dense(classes, name="top")]
    return keras.Sequential([keras.Input((8, 8, 1)), *layers], name="my>net")


def test_a_live_model_of_a_suite_is_measured_and_resumed_by_its_content(here: Path) -> None:
    model, executor = live_model(), FakeExecutor()
    suite = {**SUITE, "models": [model, "LeNet5"]}
    first = cnnbench.run(suite, on=executor)
    assert [record.model for record in first.raw] == ["my-net.keras", "LeNet5"]
    (file,) = (here / "results" / ".cache" / "models").glob("*/my-net.keras")
    assert executor.requests[0].model == str(file)
    assert cnnbench.run(suite, on=executor).path == first.path
    assert len(executor.requests) == 2, "nothing was left to do"
    model.layers[-1].bias.assign([1.0, 2.0, 3.0])
    other = cnnbench.run(suite, on=executor)
    assert other.path != first.path, "other weights are another model"


def test_a_live_model_that_cannot_be_saved_is_a_user_error(here: Path) -> None:
    model = live_model()
    model.save = lambda file: (_ for _ in ()).throw(ValueError("no such luck"))
    with pytest.raises(cnnbench.UserError, match=r"'my>net. cannot be saved: .*no such luck"):
        cnnbench.run({**SUITE, "models": [model]}, on=FakeExecutor())


def test_predicts_with_a_live_model(here: Path) -> None:
    from PIL import Image

    Image.new("L", (8, 8)).save("black.png")
    model = live_model(4)
    model.layers[-1].bias.assign([0.0, 9.0, 0.0, 0.0])
    (found,) = cnnbench.predict(model, ["black.png"]).classes
    assert found[0].number == 1
    assert model.layers[-1].get_weights()[1].tolist() == [0, 9, 0, 0], "it stays as it is"


def test_exports_a_live_model_with_its_weights(here: Path) -> None:
    executor = FakeExecutor(lambda request: JobResult("failed", reason="no such luck"))
    with pytest.raises(cnnbench.CnnbenchError, match="no such luck"):
        cnnbench.export(live_model(), "net.tflite", variant="ptq-dynamic", executor=executor)
    (request,) = executor.requests
    assert request.model.endswith("my-net.keras")
    assert (request.setting["variant"], request.setting["training"]) == ("ptq-dynamic", None)


def test_a_run_has_the_table_and_the_chart_of_its_report() -> None:
    run = cnnbench.load(ROOT / "results" / "published" / "mobile")
    table = run.table
    assert isinstance(run, cnnbench.Run)
    assert table.index.name == "model" and "MobileNetV2" in table.index
    assert {"params", "macs", "file_bytes"} <= set(table.columns) <= set(run.report.columns)
    params = run.report.set_index("model")["params"]
    assert table.loc["MobileNetV2", "params"] == params["MobileNetV2"]
    assert not [name for name in table.columns if "_ci_" in name or "_samples" in name]
    chart = run.plot(across="file_bytes", up="macs").to_dict()
    assert "MobileNetV2" in str(chart["data"])
