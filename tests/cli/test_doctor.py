"""``cnnbench doctor`` without its self-test."""

from __future__ import annotations

import os
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path

import pytest
from click.testing import CliRunner

from cnnbench import environment
from cnnbench.cli.doctor import command
from cnnbench.environment import variables
from cnnbench.execution import diagnosis
from cnnbench.report import table


def test_doctor_shows_machine_runtimes_and_data(tmp_path: Path) -> None:
    (tmp_path / "weights").mkdir()
    (tmp_path / "weights" / "one.h5").touch()
    result = CliRunner().invoke(command, ["--no-noise", "--no-peaks", "--data-dir", str(tmp_path)])
    assert result.exit_code == 0, result.output
    assert f"tensorflow {metadata.version('tensorflow')}" in result.output
    assert f"missing: {tmp_path / 'keras/datasets/fashion-mnist'}" in result.output
    assert "2,500 training and 2,000 test images come with cnnbench" in result.output
    assert "one.h5" in result.output
    for word in ("CPU:", "RAM:", "GPU:", "container limits:", "variables that affect results:"):
        assert word in result.output


def test_finds_data_in_the_default_folders_of_the_libraries(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    monkeypatch.setenv("TFDS_DATA_DIR", str(tmp_path / "tfds"))
    there = tmp_path / "datasets" / "fashion-mnist"
    there.mkdir(parents=True)
    (there / "t10k-labels-idx1-ubyte.gz").touch()  # incomplete
    assert dict(diagnosis.data_sets(None))["fashion_mnist"] == f"missing: {there}"
    (there / "train-images-idx3-ubyte.gz").touch()
    found = dict(diagnosis.data_sets(None))
    assert found["fashion_mnist"] == str(there)
    assert found["tf_flowers"] == f"missing: {tmp_path / 'tfds' / 'tf_flowers'}"


def test_a_missing_runtime_is_shown_with_the_command_that_installs_it() -> None:
    found = dict(diagnosis.runtimes(version_of=lambda package: None))
    assert found["openvino"] == 'not installed: pip install "cnnbench[openvino]"'


@pytest.fixture
def ask_for_cards_anew() -> Iterator[None]:
    environment._gpus.cache_clear()
    yield
    environment._gpus.cache_clear()


@pytest.mark.usefixtures("ask_for_cards_anew")
def test_shows_a_gpu_with_its_driver(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = tmp_path / "nvidia-smi"
    program.write_text("#!/bin/sh\necho 'NVIDIA H100 80GB HBM3, 580.159.04, 81559 MiB'\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    card = "NVIDIA H100 80GB HBM3, driver 580.159.04, 81559 MiB"
    facts = environment.describe()
    assert facts["fingerprint"]["gpu"] == card
    assert card in table.machine(facts)[0]
    assert dict(diagnosis.machine())["GPU"] == card
    program.write_text("#!/bin/sh\nexit 9\n")  # a driver that fails
    environment._gpus.cache_clear()
    assert environment.fingerprint()["gpu"] is None


def test_the_fingerprint_includes_variables_that_affect_tensorflow(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in variables.recorded(os.environ, has_gpu=True):
        monkeypatch.delenv(name)
    plain = environment.fingerprint()
    assert "variables" not in plain
    monkeypatch.setenv("TF_ENABLE_ONEDNN_OPTS", "0")
    found = environment.differences(plain, environment.fingerprint())
    assert found == ["variables.TF_ENABLE_ONEDNN_OPTS: absent -> 0"]
