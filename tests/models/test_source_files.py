"""Source files of a builder: a change to any of them changes the model's identity."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import pytest

from cnnbench.models import registry, source_files

FILES = {
    "pack/__init__.py": "from .nets import build",
    "cnnbench/__init__.py": "",
    "pack/nets.py": "import numpy, cnnbench\nfrom pack import parts\n\ndef build(): return parts",
    "pack/parts.py": "def net():\n    from . import deep\n    from ..above import nothing",
    "pack/deep/__init__.py": "from .blocks import *",
    "pack/deep/blocks.py": "import helper.tools as t",
    "pack/unused.py": "",
    "helper/tools.py": "import pack.nets",  # a package without an __init__.py, and round about
    "broken.py": "def (",
}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for name, text in FILES.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    return tmp_path


def names(found: Iterable[Path], root: Path) -> list[str]:
    return [path.relative_to(root).as_posix() for path in found]


def test_follows_imports_from_the_same_folder(root: Path) -> None:
    not_there = ("pack/unused.py", "broken.py", "cnnbench/__init__.py")
    every = [name for name in FILES if name not in not_there]
    assert names(source_files.sources(root / "pack/__init__.py", root), root) == sorted(every)


def test_includes_a_broken_file_without_following_it(root: Path) -> None:
    (root / "nets.py").write_text("import broken")
    assert names(source_files.sources(root / "nets.py", root), root) == ["broken.py", "nets.py"]


def test_does_not_follow_imports_of_installed_packages(root: Path) -> None:
    place = root / "site-packages"
    place.mkdir()
    (root / "pack").rename(place / "pack")
    file = place / "pack" / "__init__.py"
    assert source_files.sources(file, place) == {file: place}


@pytest.mark.parametrize("name", ["pack/deep/blocks.py", "helper/tools.py", "pack/unused.py"])
def test_identity_changes_with_an_imported_file(root: Path, name: str) -> None:
    before = registry.resolve("pack:build", (root,)).identity()
    (root / name).write_text(FILES[name] + "\nx = 1")
    is_another = registry.resolve("pack:build", (root,)).identity() != before
    assert is_another == (name != "pack/unused.py")
