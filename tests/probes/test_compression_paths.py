"""Folders in which the parts of the probe find the results of earlier parts."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from cnnbench.errors import JobFailed, Unavailable
from cnnbench.probes.compression import paths
from cnnbench.probes.compression.settings import CompressionSetting
from cnnbench.probes.interface import Context
from tests.probes.tiny import Tiny

TRAINING = {"dataset": "digits", "recipe": "scratch", "image_size": 16}
BASE = {
    "part": "convert",
    "variant": "qat-int8",
    "training": TRAINING,
    "weights": "w.h5",
    "weights_sha256": "1",
    "classes": 10,
    "representative": 100,
    "fine_tune_epochs": 2,
    "fine_tune_rate": 0.0001,
}


def folders(tmp_path: Path, **changed: Any) -> tuple[str, str]:
    """Return the names of the folders of the float32 model and of the converted file."""
    setting = CompressionSetting.model_validate(BASE | changed)
    context = Context(repeat=0, artifacts=tmp_path / setting.part, scratch=tmp_path)
    found = (act(Tiny(), setting, context) for act in (paths.float32_folder, paths.variant_folder))
    network, file = (folder.relative_to(tmp_path).as_posix() for folder in found)
    return network, file


@pytest.mark.parametrize(
    ("field", "value", "other_model", "other_file"),
    [
        ("part", "latency", False, False),
        ("threads", 1, False, False),
        ("variant", "pruned-50", False, True),
        ("representative", 50, False, True),
        ("fine_tune_epochs", 3, False, True),
        ("fine_tune_rate", 0.1, False, True),
        ("training", TRAINING | {"epochs": 9}, True, True),
        ("weights", "v.h5", True, True),
        ("weights_sha256", "2", True, True),
        ("classes", 7, True, True),
    ],
)
def test_a_folder_depends_on_what_decides_its_content(
    tmp_path: Path, field: str, value: Any, other_model: bool, other_file: bool
) -> None:
    before, after = folders(tmp_path), folders(tmp_path, **{field: value})
    assert tuple(a != b for a, b in zip(before, after, strict=True)) == (other_model, other_file)


def test_a_missing_result_gives_the_reason_of_the_part_that_failed(tmp_path: Path) -> None:
    folder = tmp_path / "converted-1"
    with pytest.raises(JobFailed), paths.recording_failure(folder):
        raise JobFailed("the conversion failed:\n  why")
    with pytest.raises(Unavailable, match="no file: the conversion failed: why"):
        paths.required(folder, paths.MODEL, "no file")
    with paths.recording_failure(folder):
        (folder / paths.MODEL).touch()
    assert paths.required(folder, paths.MODEL, "no file").is_file()
    with pytest.raises(Unavailable, match="its job has not succeeded"):
        paths.required(folder, paths.CARD, "no card")
