"""A suite with a question, from the shell: order of cost, what is left out, kill and resume."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from cnnbench.record import Record
from cnnbench.results import journal, tables
from cnnbench.selection.answer import answer
from tests.cli.test_run import cnnbench
from tests.processes import wait_until

pytestmark = pytest.mark.slow

SUITE = """
name: small
models: [LeNet5, BasicCNN, "LeNet5[modern=true]"]
probes:
  static:
  memory: {batch_sizes: [1]}
  latency: {runtimes: [litert], min_rounds: 1, max_rounds: 1}
  accuracy:
    {dataset: fashion_mnist, image_size: 28, epochs: 3, train_examples: 2500, test_examples: 500,
     batch_size: 16, seeds: 2}
question: {maximize: top1, max: {file: 1MB}}
limits: {timeout: 30min, memory: 4GiB}
"""
LARGE = "BasicCNN"
KILLED_AFTER = 4  # records


def records(folder: Path) -> list[Record]:
    return [r for r in journal.read(folder / journal.FILE_NAME)[1] if not r.is_left_out]


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str, list[str]]:
    """Run the suite, kill it, and resume; return the run's folder, the output and the keys so far.

    The whole process group is killed, as when a machine loses its power.
    """
    folder = tmp_path_factory.mktemp("question")
    (folder / "small.yaml").write_text(SUITE)
    began = subprocess.Popen(
        [sys.executable, "-m", "cnnbench", "run", "small.yaml"],
        cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True,
        env={**os.environ, "CUDA_VISIBLE_DEVICES": "-1"},
    )  # fmt: skip

    def has_begun() -> bool:
        return any(
            len(file.read_text().splitlines()) > KILLED_AFTER
            for file in folder.glob(f"results/small/*/{journal.FILE_NAME}")
        )

    assert wait_until(lambda: has_begun() or began.poll() is not None)
    assert began.poll() is None, "ended before it was killed"
    os.killpg(began.pid, signal.SIGKILL)
    began.wait()
    (run,) = (folder / "results" / "small").iterdir()
    before = [record.key for record in records(run)]
    resumed = cnnbench(folder, "run", "small.yaml")
    assert resumed.returncode == 0, resumed.stderr
    return run, resumed.stdout, before


def test_measures_what_is_cheap_first_and_nothing_twice(
    done: tuple[Path, str, list[str]],
) -> None:
    run, _, before = done
    found = records(run)
    keys = [record.key for record in found if record.status == "ok"]
    assert keys[: len(before)] == before and len(set(keys)) == len(keys)
    assert [record.probe for record in found[:3]] == ["static"] * 3
    assert [record.repeat for record in found[3:6]] == ["prepare"] * 3
    assert found[-1].probe == "memory", "it decides nothing"
    assert {r.model for r in found if r.probe in ("accuracy", "memory")} == {
        "LeNet5", "LeNet5[modern=true]",
    }  # fmt: skip


def test_what_is_left_out_has_its_reason_in_the_table(done: tuple[Path, str, list[str]]) -> None:
    run, output, _ = done
    report = tables.load(run).report.set_index("model")
    (status,) = [name for name in report.columns if name.startswith("top1_status")]
    assert report.loc[LARGE, status].startswith("left out: file_bytes is ")
    assert f"{LARGE}: file_bytes is " in output
    found = answer(tables.load(run))
    assert found and found.choice.winner
    assert output.startswith(f"Answer\n\n{found.sentence}\n")
    (omission,) = [one for one in found.omissions if one.row.model == LARGE]
    assert dict(omission.repeats) == {"round": 2, "seed": 2}
    assert '<section id="answer"' in (run / "report.html").read_text()
    assert (run / "report.md").read_text().startswith("## Answer")


def test_everything_measures_what_was_left_out_in_the_same_run(
    done: tuple[Path, str, list[str]],
) -> None:
    run, _, _ = done
    folder = run.parents[2]
    preview = cnnbench(folder, "run", "small.yaml", "--dry-run")
    assert preview.stdout.startswith("a search for the highest top1@fashion_mnist")
    assert ", 0 to do" in preview.stdout
    assert (
        ", 0 to do" not in cnnbench(folder, "run", "small.yaml", "--dry-run", "--everything").stdout
    )
    whole = cnnbench(folder, "run", "small.yaml", "--everything")
    assert whole.returncode == 0, whole.stderr
    assert list(run.parent.iterdir()) == [run]
    assert sum(r.model == LARGE and r.probe == "accuracy" for r in records(run)) == 2
    found = answer(tables.load(run))
    assert found and not found.omissions
