"""The page on a network of one's own works as it stands: its files, commands and tests."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from cnnbench.cli import group
from tests.conftest import ROOT
from tests.processes import HANGS_AFTER_S

PAGE = (ROOT / "docs" / "your_network.md").read_text("utf-8")
BLOCK = re.compile(r"(?:`([\w.]+)`:\n\n)?^```(\w*)\n(.*?)^```$", re.DOTALL | re.MULTILINE)


@pytest.mark.slow
def test_the_files_and_commands_of_the_page_work_in_order(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("CNNBENCH_DATA", raising=False)
    commands = 0
    for name, language, content in BLOCK.findall(PAGE):
        if name:
            (tmp_path / name).write_text(content)
        for line in content.splitlines() if not language else ():
            found = CliRunner().invoke(group, shlex.split(line.removeprefix("cnnbench ")))
            assert found.exit_code == 0, f"{line}: {found.output or found.exception!r}"
            commands += 1
    assert commands == 6
    networks = {name for name, *_ in BLOCK.findall(PAGE) if name}
    assert networks == {"net.py", "nets.py", "own.yaml"}
    kept = tmp_path.glob("results/own/*/artifacts/**/seed-0.keras")
    assert len(list(kept)) == 3


@pytest.mark.slow
def test_the_budgets_of_the_page_can_be_checked(tmp_path: Path, data_dir: Path) -> None:
    blocks = BLOCK.findall(PAGE)
    (tmp_path / "nets.py").write_text(next(text for name, _, text in blocks if name == "nets.py"))
    (tests,) = (
        text for _, language, text in blocks if language == "python" and "cnn_budget" in text
    )
    (tmp_path / "test_it.py").write_text(tests)
    make = "import nets; nets.small().save_weights('small.weights.h5')"
    for command in (["-c", make], ["-m", "pytest", "-q", "-p", "no:cacheprovider", "test_it.py"]):
        done = subprocess.run(
            [sys.executable, *command],
            cwd=tmp_path, capture_output=True, text=True, timeout=HANGS_AFTER_S,
            env={**os.environ, "CNNBENCH_DATA": str(data_dir)},
        )  # fmt: skip
    # Untrained weights are not good.
    assert "1 failed, 2 passed" in done.stdout, done.stdout
    assert "%, under the budget of 80.0 % by" in done.stdout
