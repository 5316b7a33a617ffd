"""A user's own modules are imported and nothing is left beside them."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from cnnbench.errors import UserError
from cnnbench.models import locate
from tests.conftest import ROOT

PROGRAM = """
import sys
from pathlib import Path
from cnnbench.models import locate

beside, elsewhere = map(Path, sys.argv[1:])
locate.module("nets.deep.net", [beside]).load()
locate.module(str(elsewhere / "own.py"), [beside]).load()
"""


def test_importing_a_builder_writes_no_bytecode(tmp_path: Path) -> None:
    beside, elsewhere = tmp_path / "beside", tmp_path / "elsewhere"
    for folder in (beside / "nets" / "deep", elsewhere):
        folder.mkdir(parents=True)
    (beside / "nets" / "__init__.py").write_text("import helper\n")
    (beside / "nets" / "deep" / "net.py").touch()
    (beside / "helper.py").touch()
    (elsewhere / "own.py").touch()
    environment = {k: v for k, v in os.environ.items() if not k.startswith("PYTHON")}
    subprocess.run(
        [sys.executable, "-c", PROGRAM, str(beside), str(elsewhere)],
        cwd=ROOT,
        env=environment,
        check=True,
    )
    assert list(tmp_path.rglob("__pycache__")) == []


def test_rejects_a_module_already_loaded_from_another_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for folder in (tmp_path / "old", tmp_path / "new"):
        folder.mkdir()
        (folder / "loaded_twice.py").touch()
        monkeypatch.syspath_prepend(folder)
    old = locate.module("loaded_twice.py", [tmp_path / "old"])
    new = locate.module("loaded_twice.py", [tmp_path / "new"])
    assert new.load().__file__ == str(new.file)
    new.file.unlink()
    with pytest.raises(UserError, match="another module 'loaded_twice' is already loaded from"):
        old.load()
