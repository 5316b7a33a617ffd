"""The network that a Python file means is found by reading the file."""

from __future__ import annotations

from pathlib import Path

import pytest

from cnnbench.errors import UserError
from cnnbench.models import candidates, registry

HEAD = (
    "from tensorflow import keras\nfrom keras.applications import MobileNetV2\nL = keras.layers\n"
)
MAKE = "keras.Sequential([keras.Input((8, 8, 1)), L.Flatten(), L.Dense(3)])"

ALONE = {
    "a network": (f"model = {MAKE}", "model"),
    "a network with another name": (f"cnn = {MAKE}", "cnn"),
    "a function": (f"def build(): return {MAKE}", "build"),
    "a function with arguments of its own": (f"def net(width=3): return {MAKE}", "net"),
    "a function that needs shape and classes": (
        f"def net(input_shape, classes): return {MAKE}",
        "net",
    ),
    "a subclass": ("class Net(keras.Model):\n    def call(self, x): return x", "Net"),
    "a subclass of a subclass": (
        "class _Base(keras.Model): pass\nclass Net(_Base): pass",
        "Net",
    ),
    "an application": ("backbone = MobileNetV2(weights=None)", "backbone"),
    "a network and others": (f"other = {MAKE}\nmodel = {MAKE}\ndef build(): return other", "model"),
    "a network built by a function of the file": (
        f"def build(): return {MAKE}\ncnn = build()",
        "cnn",
    ),
    "a network built elsewhere": ("from nets import build\nmodel = build(3)", "model"),
    "a network inside an if": (f"if True:\n    model = {MAKE}", "model"),
    "a function with a helper": (
        f"def base(): return {MAKE}\ndef build(): return keras.Sequential([base(), L.ReLU()])",
        "build",
    ),
    "a function and blocks": (
        f"def block(filters): return {MAKE}\nclass Unit(L.Layer): pass\ndef build(): return {MAKE}",
        "build",
    ),
    "a function and its training": (
        f"def build(): return {MAKE}\n"
        "def train(epochs=3):\n    net = build()\n    net.fit()\n    return net",
        "build",
    ),
    "a function and a script": (
        f"def build(): return {MAKE}\nif __name__ == '__main__':\n    model = build()",
        "build",
    ),
    "one that is registered": (
        f"import cnnbench\ndef a(): return {MAKE}\n@cnnbench.register\ndef b(): return {MAKE}",
        "b",
    ),
}


def file(folder: Path, source: str) -> Path:
    found = folder / "net.py"
    found.write_text(HEAD + source)
    return found


@pytest.mark.parametrize("kind", ALONE)
def test_finds_the_network_of_a_file(kind: str, tmp_path: Path) -> None:
    source, name = ALONE[kind]
    assert candidates.only(file(tmp_path, source), "net.py") == name


@pytest.mark.parametrize(
    ("source", "words"),
    [
        (
            f"def a(): return {MAKE}\nb = {MAKE}\nclass C(keras.Model): pass",
            "net.py: has 3 networks (name one of them: net.py:a, net.py:b, net.py:C)",
        ),
        (
            f"import cnnbench\n@cnnbench.register\ndef a(): return {MAKE}\n"
            f"@cnnbench.register('B')\ndef b(): return {MAKE}",
            "net.py: has 2 networks (name one of them: net.py:a, net.py:b)",
        ),
        (
            "x = 3\ndef conv(filters): return L.Conv2D(filters, 3)",
            "net.py: no network was found in it (name the function that builds it, "
            "net.py:function)",
        ),
        ("def f(:", "net.py:4: not valid Python"),
    ],
)
def test_reports_a_file_without_one_network(source: str, words: str, tmp_path: Path) -> None:
    file(tmp_path, source)
    with pytest.raises(UserError) as caught:
        registry.resolve("net.py", [tmp_path])
    assert words in str(caught.value)


def test_a_file_alone_and_its_network_by_name_are_one_model(tmp_path: Path) -> None:
    file(tmp_path, f"def build(classes=3): return {MAKE}")
    alone, named = (registry.resolve(text, [tmp_path]) for text in ("net.py", "net.py:build"))
    assert alone.identity() == named.identity()
    assert registry.resolve("net.py[classes=7]", [tmp_path]).label == "net:build[classes=7]"


def test_a_network_that_is_made_at_import_takes_no_arguments(tmp_path: Path) -> None:
    file(tmp_path, f"model = {MAKE}")
    model = registry.resolve("net.py", [tmp_path])
    assert model.fixed == {"input_shape", "classes"}
    with pytest.raises(UserError, match="takes no parameter 'classes'"):
        registry.resolve("net.py[classes=7]", [tmp_path])


def test_names_where_a_name_is_imported_from(tmp_path: Path) -> None:
    found = file(tmp_path, "from .nets import model as net\nfrom . import other")
    assert candidates.origin(found, "net") == ".nets:model"
    assert candidates.origin(found, "other") == ".:other"
    assert candidates.origin(found, "L") == ""
