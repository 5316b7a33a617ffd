"""Two photographs that are part of scikit-learn: ``china.jpg`` and ``flower.jpg``."""

from __future__ import annotations

import importlib.util
from pathlib import Path

from cnnbench import files

NAMES = ("china.jpg", "flower.jpg")


def path(name: str) -> Path:
    """Return the path of a picture: a file of that name, else the photograph of scikit-learn."""
    own = Path(name)
    if name not in NAMES or files.check_path(own.exists):
        return own
    package = importlib.util.find_spec("sklearn")  # not imported, as that takes seconds
    folders = package.submodule_search_locations if package else None
    return Path(folders[0], "datasets", "images", name) if folders else own
