"""A ``.keras`` file is looked at without Keras: described, or refused in words, however damaged."""

from __future__ import annotations

import copy
import hashlib
import zipfile
from pathlib import Path
from typing import Any

import pytest

from cnnbench.errors import UserError
from cnnbench.models import registry
from tests.models import keras_zip


@pytest.mark.parametrize("packed", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_LZMA])
def test_reads_any_zip_compression(tmp_path: Path, packed: int) -> None:
    keras_zip.write(tmp_path / "net.keras", packed=packed)
    model = registry.resolve("net.keras", (tmp_path,))
    assert (model.input_shape, model.classes) == ((8, 8, 1), 4)


def test_classes_are_the_width_of_the_last_layer(tmp_path: Path) -> None:
    def classes(*kinds: str) -> int:
        last = [{"class_name": kind, "config": {"name": kind}} for kind in kinds]
        network = copy.deepcopy(keras_zip.NETWORK)
        network["config"]["layers"] += last  # type: ignore[index]
        keras_zip.write(tmp_path / "net.keras", network)
        return registry.resolve("net.keras", (tmp_path,)).classes

    assert classes("Dropout", "Activation") == 4
    assert classes("Sequential") == 0, "only building it tells how wide the network inside is"


@pytest.mark.parametrize("packed", [zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_rejects_a_corrupt_stream_in_one_line(tmp_path: Path, packed: int) -> None:
    file = keras_zip.write(tmp_path / "net.keras", packed=packed)
    start, whole = keras_zip.start_of(file, "config.json"), file.read_bytes()
    refused = 0
    for place in range(start, start + 60):
        file.write_bytes(whole[:place] + bytes([whole[place] ^ 0xFF]) + whole[place + 1 :])
        try:
            registry.resolve("net.keras", (tmp_path,))
        except UserError as error:
            assert "not a .keras file" in error.what
            refused += 1
    assert refused > 50


def test_rejects_a_password_or_an_unknown_compression(tmp_path: Path) -> None:
    file = keras_zip.write(tmp_path / "net.keras")
    whole = file.read_bytes()
    directory = whole.index(b"PK\x01\x02", whole.index(b"PK\x01\x02") + 1)  # of config.json
    for place, value in ((8, 1), (10, 99)):  # the flag of a password, and the way of packing
        odd = bytearray(whole)
        odd[directory + place] = value
        file.write_bytes(odd)
        with pytest.raises(UserError, match=r"not a \.keras file"):
            registry.resolve("net.keras", (tmp_path,))


def test_hashes_a_file_once_for_all_cells(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = keras_zip.write(tmp_path / "net.keras")
    expected = hashlib.sha256(file.read_bytes()).hexdigest()
    model = registry.resolve("net.keras", (tmp_path,))
    opened: list[Path] = []
    plain_open = Path.open

    def counted(self: Path, *arguments: Any, **options: Any) -> Any:
        opened.append(self)
        return plain_open(self, *arguments, **options)

    monkeypatch.setattr(Path, "open", counted)
    for _ in range(5):
        assert model.identity()["source_sha256"] == expected
    assert opened == [file]
