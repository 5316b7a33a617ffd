"""Files and folders that a suite names: found and hashed whatever they are called, or not there."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

from cnnbench.core.settings import files


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
