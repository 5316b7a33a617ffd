"""Networks in the files and projects of users: built, or refused in one line."""

from __future__ import annotations

import json
import os
import site
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from cnnbench.analysis import inspect
from cnnbench.errors import UserError
from cnnbench.models import locate, registry
from tests.conftest import ROOT
from tests.models.built import weightless
from tests.processes import HANGS_AFTER_S

# The network of the chapter's slides, smaller: 9 * 4 + 4 + 14 * 14 * 4 * 10 + 10 parameters.
SLIDES = """
from functools import partial
from tensorflow import keras

DefaultConv2D = partial(keras.layers.Conv2D, kernel_size=3, activation="relu", padding="SAME")
model = keras.models.Sequential([
    DefaultConv2D(filters=4, input_shape=[28, 28, 1]),
    keras.layers.MaxPooling2D(pool_size=2),
    keras.layers.Flatten(),
    keras.layers.Dense(units=10, activation="softmax"),
])
model.compile(loss="sparse_categorical_crossentropy", optimizer="nadam", metrics=["accuracy"])
model.summary()
"""
PARAMS = 40 + 784 * 10 + 10
DENSE = "keras.Sequential([keras.Input((8, 8, 1)), keras.layers.Flatten(), keras.layers.Dense(3)])"
FINDER = "__editable___finder"
SUBCLASSED = """
import numpy as np
from tensorflow import keras


class Net(keras.Model):
    def __init__(self):
        super().__init__()
        self.flatten, self.dense = keras.layers.Flatten(), keras.layers.Dense(3)

    def call(self, images):
        return self.dense(self.flatten(images))
"""
CALLED = f"{SUBCLASSED}\nmodel = Net()\nmodel(np.zeros((1, 8, 8, 1)))\n"


@pytest.fixture(autouse=True)
def _forget_modules() -> Iterator[None]:
    path, loaded = list(sys.path), set(sys.modules)
    yield
    sys.path[:] = path
    sys.meta_path[:] = [each for each in sys.meta_path if getattr(each, "__module__", "") != FINDER]
    for name in set(sys.modules) - loaded:
        module = sys.modules[name]
        if "pytest" in (getattr(module, "__file__", None) or ""):  # made in a folder of a test
            del sys.modules[name]


def params(text: str, folder: Path) -> int:
    with weightless(registry.resolve(text, [folder])) as network:
        return int(inspect(network).metrics["params"])


def refusal(text: str, folder: Path) -> str:
    with pytest.raises(UserError) as caught:
        params(text, folder)
    return str(caught.value).replace(f"{folder}/", "")


def test_a_network_of_the_slides_is_found_counted_and_built_afresh_each_time(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "slides.py").write_text(SLIDES)
    model = registry.resolve("slides.py", [tmp_path])
    assert params("slides.py", tmp_path) == PARAMS
    first, second = model.build(), model.build()
    assert first is not second
    assert first.count_params() == PARAMS
    assert first(first.inputs[0]).shape == (None, 10)
    with pytest.raises(UserError, match=r"another classes.*write a function with a parameter"):
        model.build(classes=7)


@pytest.mark.parametrize(
    ("text", "source"),
    [
        ("called.py", CALLED),
        ("named.py:Net[input_shape=8x8x1]", SUBCLASSED),
        ("alone.py[input_shape=8x8x1]", SUBCLASSED),
        ("fitted.py", f"from tensorflow import keras\nimport numpy as np\nmodel = {DENSE}\n"
                      "model.compile('sgd', 'mse')\n"
                      "model.predict(np.zeros((2, 8, 8, 1)), verbose=0)\n"),
    ],
)  # fmt: skip
def test_a_network_may_be_subclassed_and_called_at_import(
    text: str, source: str, tmp_path: Path
) -> None:
    (tmp_path / text.partition(".")[0]).with_suffix(".py").write_text(source)
    assert params(text, tmp_path) == 64 * 3 + 3


@pytest.mark.parametrize(
    ("source", "words"),
    [
        (SUBCLASSED, "the input of broken:Net is not known (start the model with keras.Input, or"),
        (
            "import nowhere\nmodel = nowhere.net()",
            "broken.py:1: importing it failed: ModuleNotFoundError: No module named 'nowhere' "
            "(install it, or run the command where 'nowhere' can be imported)",
        ),
        (
            "import sys\nprint('no data')\nsys.exit(3)\nmodel = make()",
            "broken.py:3: importing it calls exit(3) (put what the script does under "
            '`if __name__ == "__main__":`)',
        ),
        (
            f"from tensorflow import keras\nx = 1 / 0\nmodel = {DENSE}",
            "broken.py:2: importing it failed: ZeroDivisionError: division by zero",
        ),
        (
            f"from tensorflow import keras\nimport numpy as np\nmodel = {DENSE}\n"
            "model.compile('sgd', 'mse')\nmodel.fit(np.zeros((2, 8, 8, 1)), np.zeros((2, 3)))",
            'under `if __name__ == "__main__":`)',
        ),
        (
            "import beside\nmodel = beside.net()",
            "beside.py:2: importing it failed: not valid Python",
        ),
        (
            f"from .beside import x\nfrom tensorflow import keras\nmodel = {DENSE}",
            "(add an __init__.py to its folder, or name it as package.module:builder)",
        ),
        (
            f"def build():\n    exit('no data')\n    from tensorflow import keras\n"
            f"    return {DENSE}",
            "broken.py:2: broken:build cannot be built: SystemExit: no data",
        ),
        (
            "from tensorflow import keras\ndef build():\n    return kears.Model()",
            "broken.py:3: broken:build cannot be built: NameError: name 'kears' is not defined",
        ),
        (
            f"import tf_keras as keras\nmodel = {DENSE}",
            "model is a network of Keras 2 (tf_keras), not of the Keras that TensorFlow uses "
            "(write 'from tensorflow import keras' in its file)",
        ),
    ],
)
def test_a_file_that_cannot_be_used_is_one_line_with_its_place(
    source: str, words: str, tmp_path: Path
) -> None:
    (tmp_path / "broken.py").write_text(source)
    (tmp_path / "beside.py").write_text("x = 1\ny = (\n")
    found = refusal("broken.py", tmp_path)
    assert words in found
    assert "\n" not in found


PACKAGE = {
    "__init__.py": "",
    "nets.py": "from tensorflow import keras\nfrom .parts import classes\n"
    "def build(classes=classes):\n"
    "    return keras.Sequential([keras.Input((8, 8, 1)), keras.layers.Flatten(),\n"
    "                             keras.layers.Dense(classes)])\n",
    "parts.py": "classes = 3\n",
}


def package(folder: Path) -> Path:
    folder.mkdir(parents=True)
    for name, source in PACKAGE.items():
        (folder / name).write_text(source)
    return folder


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A project with a package in ``src`` and a script beside it."""
    (tmp_path / "pyproject.toml").write_text("[project]\nname = 'own'\n")
    package(tmp_path / "src" / "own_package")
    scripts = tmp_path / "scripts"
    scripts.mkdir()
    (scripts / "script.py").write_text(
        "from own_package.nets import build as make\n\n\ndef net():\n    return make(classes=4)\n"
        f"\n\ndef _unused(keras):\n    return {DENSE}\n"
    )
    return tmp_path


@pytest.mark.parametrize(
    ("text", "params_"),
    [
        ("own_package.nets:build", 195),
        ("src/own_package/nets.py:build[classes=2]", 130),
        ("scripts/script.py:net", 260),
    ],
)
def test_a_project_with_a_src_folder_is_imported_from_there(
    text: str, params_: int, project: Path
) -> None:
    assert params(text, project) == params_


def test_a_package_of_a_project_is_found_from_a_folder_below_it(project: Path) -> None:
    found = locate.module("own_package.nets", [project / "scripts"])
    assert (found.root, found.project) == (project / "src", project)


def test_a_file_in_a_package_and_its_module_are_one_model(project: Path) -> None:
    texts = ("own_package.nets:build", "src/own_package/nets.py")
    module, file = (registry.resolve(text, [project]) for text in texts)
    assert module.identity() == file.identity()
    assert file.label == "own_package.nets:build"


def test_identity_follows_the_imports_of_a_script_into_src(project: Path) -> None:
    before = registry.resolve("scripts/script.py:net", [project]).identity()
    (project / "src" / "own_package" / "parts.py").write_text("classes = 5\n")
    assert registry.resolve("scripts/script.py:net", [project]).identity() != before


HOOK = """
import sys
from importlib.machinery import PathFinder


class Finder:
    @classmethod
    def find_spec(cls, name, path=None, target=None):
        return PathFinder.find_spec(name, [{folder!r}]) if name == "hooked_package" else None


def install():
    sys.meta_path.append(Finder)
"""


@pytest.mark.parametrize("is_hook", [False, True], ids=["path", "import hook"])
def test_a_package_that_is_installed_editable_is_found(is_hook: bool, tmp_path: Path) -> None:
    sources, packages = tmp_path / "elsewhere", tmp_path / "site-packages"
    name = "hooked_package" if is_hook else "linked_package"
    package(sources / name)
    packages.mkdir()
    line = str(sources)
    if is_hook:
        (packages / f"{FINDER}.py").write_text(HOOK.format(folder=str(sources)))
        line = f"import {FINDER}; {FINDER}.install()"
    (packages / "__editable__.pth").write_text(f"{line}\n")
    site.addsitedir(str(packages))
    assert params(f"{name}.nets:build", tmp_path) == 195


def test_a_network_of_another_file_is_referred_to_that_file(project: Path) -> None:
    source = f"from tensorflow import keras\nmodel = {DENSE}\n"
    (project / "src" / "own_package" / "made.py").write_text(source)
    (project / "src" / "own_package" / "again.py").write_text("from .made import model\n")
    model = registry.resolve("own_package.again:model", [project])
    model.build()
    with pytest.raises(UserError, match=r"made in another file \(name the .*: \.made:model\)"):
        model.build()


def test_a_file_that_is_edited_is_imported_again(tmp_path: Path) -> None:
    file = tmp_path / "edited.py"
    for classes in (3, 10):
        build = f"def build(): return {DENSE.replace('Dense(3)', f'Dense({classes})')}"
        file.write_text(f"from tensorflow import keras\n{build}\n")
        assert params("edited.py", tmp_path) == 65 * classes


@pytest.mark.slow
def test_the_command_counts_a_file_by_its_name_and_hides_what_it_prints(tmp_path: Path) -> None:
    (tmp_path / "slides.py").write_text(SLIDES + "print('a word of the file')\n")
    (tmp_path / "leaves.py").write_text("raise SystemExit(7)\nmodel = make()\n")
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}

    def cnnbench(*arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "cnnbench", "inspect", *arguments, "--json"],
            cwd=tmp_path, capture_output=True, text=True, env=environment, timeout=HANGS_AFTER_S,
        )  # fmt: skip

    found = json.loads(cnnbench("slides.py").stdout)
    assert (found["model"], found["metrics"]["params"]) == ("slides:model", PARAMS)
    refused = cnnbench("leaves.py")
    assert (refused.returncode, refused.stdout) == (2, "")
    assert refused.stderr == (
        "cnnbench: leaves.py:1: importing it calls exit(7) (put what the script does under "
        '`if __name__ == "__main__":`)\n'
    )
