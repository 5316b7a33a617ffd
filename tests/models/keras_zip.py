"""``.keras`` files made without Keras: the zip that it would read, with any configuration in it."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path
from typing import IO, TypeVar

File = TypeVar("File", Path, IO[bytes])

NETWORK = {
    "module": "keras",
    "class_name": "Sequential",
    "registered_name": None,
    "config": {
        "name": "net",
        "layers": [
            {"class_name": "InputLayer", "config": {"batch_shape": [None, 8, 8, 1]}},
            *(
                {"class_name": "Conv2D", "config": {"name": f"conv_{n}", "filters": 4 + n}}
                for n in range(30)
            ),
            {"class_name": "Dense", "config": {"units": 4}},
        ],
    },
}


def write(
    file: File,
    config: object = NETWORK,
    packed: int = zipfile.ZIP_STORED,
    version: object = "3.0.0",
) -> File:
    """Write ``config`` as a ``.keras`` file, packed as `zipfile` says; return ``file``."""
    with zipfile.ZipFile(file, "w", packed) as archive:
        archive.writestr("metadata.json", json.dumps({"keras_version": version}))
        archive.writestr("config.json", json.dumps(config))
        archive.writestr("model.weights.h5", b"\x89HDF\r\n\x1a\n" + bytes(64))
    return file


def start_of(file: Path, name: str) -> int:
    """Return the offset of the bytes of the member ``name`` in ``file``."""
    with zipfile.ZipFile(file) as archive:
        header = archive.getinfo(name).header_offset
    content = file.read_bytes()
    lengths = content[header + 26 : header + 30]
    return (
        header + 30 + int.from_bytes(lengths[:2], "little") + int.from_bytes(lengths[2:], "little")
    )
