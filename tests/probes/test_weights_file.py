"""Weights that a suite names are looked up in one way, and are those of the plan."""

from __future__ import annotations

from pathlib import Path

import pytest

from cnnbench import files
from cnnbench.errors import JobFailed, Unavailable
from cnnbench.probes.accuracy.training.network import weights_file


def test_weights_lie_beside_the_suite_or_in_the_data_folder(tmp_path: Path) -> None:
    suite, data = tmp_path / "suite", tmp_path / "data"
    for folder in (suite, data / "weights"):
        folder.mkdir(parents=True)
    with pytest.raises(Unavailable, match=r"no weights file 'w\.h5'; put it next to the suite or"):
        weights_file("w.h5", "", (suite,), data)
    (data / "weights" / "w.h5").write_bytes(b"abc")
    assert weights_file("w.h5", "", (suite,), data) == data / "weights" / "w.h5"
    (suite / "w.h5").write_bytes(b"def")
    assert weights_file("w.h5", "", (suite,), data) == suite / "w.h5"


def test_weights_that_were_exchanged_since_the_plan_are_refused(tmp_path: Path) -> None:
    file = tmp_path / "w.h5"
    file.write_bytes(b"abc")
    planned = files.sha256(file)
    assert weights_file("w.h5", planned, (tmp_path,), None) == file
    file.write_bytes(b"other")
    with pytest.raises(JobFailed, match=r"the weights in 'w\.h5' are not those of the plan"):
        weights_file("w.h5", planned, (tmp_path,), None)


def test_rejects_folder_as_weights_file(tmp_path: Path) -> None:
    (tmp_path / "w.h5").mkdir()
    with pytest.raises(Unavailable, match="no weights file"):
        weights_file("w.h5", "", (tmp_path,), None)
