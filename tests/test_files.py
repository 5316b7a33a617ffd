"""Files and folders that a suite names: found and hashed whatever they are called, or not there."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from typing import NoReturn

import pytest

from cnnbench import files
from cnnbench.errors import UserError
from cnnbench.models import registry
from cnnbench.results import tables
from cnnbench.suite import suite as suites

TOO_LONG = "x" * 300


def test_the_hash_of_a_folder_is_of_its_names_and_bytes(tmp_path: Path) -> None:
    (tmp_path / "photos" / "red").mkdir(parents=True)
    (tmp_path / "photos" / "red" / "é 1.png").write_bytes(b"one")
    (tmp_path / "photos" / "two.png").write_bytes(b"2")
    (tmp_path / "photos" / ".hidden").write_bytes(b"no")
    whole = "red/é 1.png\0003\0one" + "two.png\0001\0" + "2"
    assert files.hash_of("photos", [tmp_path]) == hashlib.sha256(whole.encode()).hexdigest()


def test_a_file_whose_name_is_not_utf_8_is_hashed(tmp_path: Path) -> None:
    (tmp_path / "photos").mkdir()
    name = os.fsdecode(b"caf\xe9.png")
    (tmp_path / "photos" / name).write_bytes(b"one")
    whole = b"caf\xe9.png\0003\0one"
    assert files.hash_of("photos", [tmp_path]) == hashlib.sha256(whole).hexdigest()


@pytest.mark.parametrize("name", [TOO_LONG, f"/{TOO_LONG}/x", "~nobody-of-that-name/x", "a\0b"])
def test_a_path_that_cannot_be_is_not_there(tmp_path: Path, name: str) -> None:
    assert files.find(name, [None, tmp_path]) is None
    assert files.hash_of(name, [tmp_path]) == ""


@pytest.mark.parametrize(
    "model", [f"{TOO_LONG}.keras", f"{TOO_LONG}.py:net", f"{TOO_LONG}:net", "~nobody/x.keras"]
)
def test_a_model_whose_path_cannot_be_is_refused_in_words(tmp_path: Path, model: str) -> None:
    with pytest.raises(UserError, match=r"no (file|module) '"):
        registry.resolve(model, (tmp_path,))


def test_a_suite_or_a_run_whose_path_cannot_be_is_refused_in_words() -> None:
    with pytest.raises(UserError, match="no suite"):
        suites.load(Path(TOO_LONG), registry)
    with pytest.raises(UserError, match="no such run"):
        tables.load(TOO_LONG)


@pytest.mark.parametrize("way", ["stat", "open"])
def test_a_file_that_may_not_be_read_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, way: str
) -> None:
    file = tmp_path / "w.h5"
    file.write_bytes(b"one")

    def closed(path: Path, *_: object, **__: object) -> NoReturn:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(Path, way, closed)
    with pytest.raises(UserError, match=r"w\.h5: cannot be read: Permission denied"):
        files.sha256(file)
