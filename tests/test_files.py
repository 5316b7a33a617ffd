"""Look-up and hashes of files and folders with any name, and atomic writes."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from typing import NoReturn

import numpy as np
import pytest

from cnnbench import files
from cnnbench.errors import UserError
from cnnbench.models import registry
from cnnbench.results import tables
from cnnbench.suite import suite as suites

TOO_LONG = "x" * 300


def test_hashes_a_folder_by_names_and_bytes(tmp_path: Path) -> None:
    (tmp_path / "photos" / "red").mkdir(parents=True)
    (tmp_path / "photos" / "red" / "é 1.png").write_bytes(b"one")
    (tmp_path / "photos" / "two.png").write_bytes(b"2")
    (tmp_path / "photos" / ".hidden").write_bytes(b"no")
    whole = "red/é 1.png\0003\0one" + "two.png\0001\0" + "2"
    assert files.hash_of("photos", [tmp_path]) == hashlib.sha256(whole.encode()).hexdigest()


def test_hashes_a_file_whose_name_is_not_utf_8(tmp_path: Path) -> None:
    (tmp_path / "photos").mkdir()
    name = os.fsdecode(b"caf\xe9.png")
    (tmp_path / "photos" / name).write_bytes(b"one")
    whole = b"caf\xe9.png\0003\0one"
    assert files.hash_of("photos", [tmp_path]) == hashlib.sha256(whole).hexdigest()


@pytest.mark.parametrize("name", [TOO_LONG, f"/{TOO_LONG}/x", "~nobody-of-that-name/x", "a\0b"])
def test_does_not_find_an_impossible_path(tmp_path: Path, name: str) -> None:
    assert files.find(name, [None, tmp_path]) is None
    assert files.hash_of(name, [tmp_path]) == ""


@pytest.mark.parametrize(
    "model", [f"{TOO_LONG}.keras", f"{TOO_LONG}.py:net", f"{TOO_LONG}:net", "~nobody/x.keras"]
)
def test_rejects_a_model_with_an_impossible_path(tmp_path: Path, model: str) -> None:
    with pytest.raises(UserError, match=r"no (file|module) '"):
        registry.resolve(model, (tmp_path,))


def test_rejects_a_suite_or_run_with_an_impossible_path() -> None:
    with pytest.raises(UserError, match="no suite"):
        suites.load(Path(TOO_LONG), registry)
    with pytest.raises(UserError, match="no such run"):
        tables.load(TOO_LONG)


@pytest.mark.parametrize("way", ["stat", "open"])
def test_names_a_file_without_read_permission(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, way: str
) -> None:
    file = tmp_path / "w.h5"
    file.write_bytes(b"one")

    def closed(path: Path, *_: object, **__: object) -> NoReturn:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(Path, way, closed)
    with pytest.raises(UserError, match=r"w\.h5: cannot be read: Permission denied"):
        files.sha256(file)


@pytest.mark.parametrize("sync", [False, True])
def test_writes_text_and_arrays_in_one_step(tmp_path: Path, sync: bool) -> None:
    files.replace_text(tmp_path / "a.txt", "é\n", sync)
    files.replace_text(tmp_path / "a.txt", "new\n", sync)
    files.replace_arrays(tmp_path / "b.npz", {"x": np.arange(3)}, sync)
    assert (tmp_path / "a.txt").read_bytes() == b"new\n"
    with np.load(tmp_path / "b.npz") as stored:
        assert stored["x"].tolist() == [0, 1, 2]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.txt", "b.npz"]


def test_a_failed_write_leaves_the_old_content(tmp_path: Path) -> None:
    file = tmp_path / "a.txt"
    file.write_text("old")
    with pytest.raises(RuntimeError), files.replacing(file) as stream:
        stream.write(b"half of the new")
        raise RuntimeError
    assert file.read_text() == "old"
    assert [path.name for path in tmp_path.iterdir()] == ["a.txt"]


@pytest.mark.parametrize(("name", "words"), [("none", "does not exist"), ("file", "not a folder")])
def test_rejects_a_data_folder_that_is_no_folder_and_says_where_it_was_named(
    name: str, words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    path = str(tmp_path / name)
    with pytest.raises(UserError, match=f"^data_dir: the data folder '{path}' .*{words} .create"):
        files.data_folder(path)
    monkeypatch.setenv("CNNBENCH_DATA", path)
    with pytest.raises(UserError, match=f"^CNNBENCH_DATA: the data folder '{path}' .*{words}"):
        files.data_folder(None)
    assert files.data_folder(tmp_path) == tmp_path.resolve()
    monkeypatch.setenv("CNNBENCH_DATA", "")
    assert files.data_folder(None) is None
