"""Read the zip archive of a ``.keras`` file without Keras, and explain damaged ones."""

from __future__ import annotations

import json
import lzma
import re
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from cnnbench.environment import version_of
from cnnbench.errors import UserError

_MAX_BYTES = 64 * 2**20
# Exceptions of `zipfile` and `json` for a damaged file: a corrupt stream, a password or an unknown
# compression (both a RuntimeError), a truncated end.
DAMAGED = (
    *(zipfile.BadZipFile, zlib.error, lzma.LZMAError, EOFError, OSError),
    *(KeyError, ValueError, RuntimeError),
)
# Layers that Keras refuses in safe mode: loading them would run Python code from the file.
_UNSAFE = {"__lambda__": "Lambda", "TorchModuleWrapper": "TorchModuleWrapper"}
# Keras 2 computes clip(0.2 x + 0.5, 0, 1), Keras 3 relu6(x + 3) / 6.
_CHANGED = "hard_sigmoid"
_SAVE_AGAIN = "load it in Keras and save it with model.save('net.keras')"
# First bytes of files that are not a zip archive, what they are, and what to do.
_OTHER_FORMATS = (
    (b"\x89HDF", "it is HDF5: a network in the old .h5 format, or weights alone", _SAVE_AGAIN),
    (b"version https://git-lfs", "it is a Git LFS pointer", "run git lfs pull"),
    (b"PK", "the archive is truncated", "copy or download it again"),
)
_VERSION = re.compile(r"\d+(?:\.\d+){0,2}")


def config(file: Path) -> dict[str, Any]:
    """Return the configuration of the network in ``file``, without its compile configuration.

    Inference needs no optimiser, and a custom loss or schedule could not be loaded.

    Raises:
        UserError: not a ``.keras`` file, or one that only loads with code execution.
    """
    try:
        found = _json(file, "config.json")
        if not isinstance(found, dict):
            raise ValueError("its config.json contains no network")
        found = _uncompiled(found)
        names = [part.get("class_name") for part in dictionaries(found)]
    except DAMAGED as error:
        raise unreadable(file, error) from None
    for name in names:
        if isinstance(name, str) and name in _UNSAFE:
            raise UserError(
                f"contains a {_UNSAFE[name]} layer, whose Python code would run on loading",
                str(file),
                "replace it with a registered custom layer and save the model again",
            )
    version = _saved_by(file)
    if (
        version
        and version[0] < 3
        and any(_CHANGED in part.values() for part in dictionaries(found))
    ):
        raise UserError(
            f"saved by Keras 2 ({_dotted(version)}), whose {_CHANGED} differs from Keras 3's",
            str(file),
            "build and train the network in Keras 3",
        )
    return found


def unreadable(file: Path, error: Exception) -> UserError:
    """Return an error that describes a file that is not a valid ``.keras`` file."""
    try:
        with file.open("rb") as stream:
            beginning = stream.read(32)
    except OSError:
        beginning = b""
    if isinstance(error, zipfile.BadZipFile):
        for start, what, hint in _OTHER_FORMATS:
            if beginning.startswith(start) and not zipfile.is_zipfile(file):
                return UserError(f"not a .keras file: {what}", str(file), hint)
    return UserError(f"not a .keras file: {error}", str(file), "save it with model.save()")


def another_keras(file: Path) -> UserError | None:
    """Return an error if ``file`` was saved by Keras 2 or by a newer Keras, otherwise None."""
    version, here = _saved_by(file), version_of("keras") or ""
    if not version:
        return None
    if version[0] < 3:
        return UserError(
            f"saved by Keras 2 ({_dotted(version)}), in a format that Keras 3 cannot load",
            str(file),
            "in Keras 2 write model.save_weights('net.h5'); build the same network in Keras 3, "
            "load_weights('net.h5') and save it again",
        )
    if version > _numbers(here):
        return UserError(
            f"saved by Keras {_dotted(version)}, which is newer than the installed {here}",
            str(file),
            "upgrade keras, or save it with this version",
        )
    return None


def dictionaries(value: Any) -> Iterator[dict[str, Any]]:
    """Yield every dictionary in ``value`` at any depth, outer ones first."""
    if isinstance(value, dict):
        yield value
        for item in value.values():
            yield from dictionaries(item)
    elif isinstance(value, list):
        for item in value:
            yield from dictionaries(item)


def _json(file: Path, member: str) -> Any:
    with zipfile.ZipFile(file) as archive:
        if archive.getinfo(member).file_size > _MAX_BYTES:
            raise UserError(f"its {member} is too large", str(file))
        return json.loads(archive.read(member))


def _uncompiled(value: Any) -> Any:
    """Return ``value`` without the ``compile_config`` of any network in it."""
    if isinstance(value, list):
        return [_uncompiled(item) for item in value]
    if not isinstance(value, dict):
        return value
    is_object = "class_name" in value and "config" in value
    return {
        key: _uncompiled(item)
        for key, item in value.items()
        if not (is_object and key == "compile_config")
    }


def _saved_by(file: Path) -> tuple[int, ...]:
    """Return the version of Keras that wrote ``file``; () if the file does not state it."""
    try:
        metadata = _json(file, "metadata.json")
    except (*DAMAGED, UserError):
        return ()
    return _numbers(metadata.get("keras_version") if isinstance(metadata, Mapping) else None)


def _numbers(version: Any) -> tuple[int, ...]:
    found = _VERSION.match(version[:40]) if isinstance(version, str) else None
    return tuple(map(int, found[0].split("."))) if found else ()


def _dotted(version: tuple[int, ...]) -> str:
    return ".".join(map(str, version))
