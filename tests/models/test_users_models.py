"""A user's own network, three ways: a builder's place, a registered name, a ``.keras`` file."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from cnnbench.analysis import inspect
from cnnbench.errors import UserError
from cnnbench.models import registered, registry
from tests.conftest import ROOT
from tests.models.built import weightless

NETS = """
from tensorflow import keras
import cnnbench

L = keras.layers


class Unit(L.Layer):
    def __init__(self, filters, **kwargs):
        super().__init__(**kwargs)
        self.conv = L.Conv2D(filters, 3, padding="same")

    def call(self, x):
        return x + self.conv(x)


class Subclassed(keras.Model):
    def __init__(self, classes=4, width=8):
        super().__init__()
        self.stem, self.unit = L.Conv2D(width, 3, padding="same"), Unit(width)
        self.pool, self.head = L.GlobalAveragePooling2D(), L.Dense(classes)

    def call(self, x):
        return self.head(self.pool(self.unit(self.stem(x))))


@cnnbench.register("TinyNet")
def shared_and_nested(input_shape=(16, 16, 3), classes=4, rate=0.5):
    inputs = keras.Input(input_shape)
    inner = keras.Sequential([keras.Input((*input_shape[:2], 8)), Unit(8), L.ReLU()])
    x = inner(inner(L.Conv2D(8, 3, padding="same")(inputs)))
    return keras.Model(inputs, L.Dense(classes)(L.GlobalAveragePooling2D()(x)))


def two_in_two_out(classes=5):
    a, b = keras.Input((16, 16, 3)), keras.Input((8, 8, 3))
    conv = L.Conv2D(4, 3, padding="same")
    pooled = [L.GlobalAveragePooling2D()(conv(each)) for each in (a, b)]
    joined = L.Concatenate()(pooled)
    return keras.Model([a, b], [L.Dense(classes)(joined), L.Dense(2)(joined)])


def no_model(input_shape=(8, 8, 3)):
    return 3


def misspelt(input_shape=(8, 8, 3)):
    return kears.Sequential()


layer = L.Dense(3)
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "pkg").mkdir()
    (tmp_path / "pkg" / "__init__.py").touch()
    (tmp_path / "pkg" / "nets.py").write_text(NETS)
    return tmp_path


@pytest.fixture(autouse=True)
def _forget_modules(monkeypatch: pytest.MonkeyPatch) -> Any:
    path = list(sys.path)
    monkeypatch.setattr(registered, "_in_this_process", dict(registered._in_this_process))
    yield
    sys.path[:] = path
    for name in [name for name in sys.modules if name == "pkg" or name.startswith("pkg.")]:
        del sys.modules[name]
    for name in ("nets", "beside"):
        sys.modules.pop(name, None)


def counted(text: str, folder: Path) -> tuple[int, int]:
    with weightless(registry.resolve(text, [folder])) as network:
        found = inspect(network)
        assert found.uncounted_ops == []
        return int(found.metrics["params"]), int(found.metrics["macs"])


# A 3x3 convolution from c to f maps at h x w: 9cf + f parameters, 9cf·hw MACs.
STEM, UNIT = 9 * 3 * 8, 9 * 8 * 8


@pytest.mark.parametrize(
    ("text", "params", "macs"),
    [
        # Subclassed layers in a subclassed model; it is told its input shape by name.
        (
            "pkg.nets:Subclassed[input_shape=16x16x3]",
            STEM + 8 + UNIT + 8 + 9 * 4,
            (STEM + UNIT) * 256 + 32,
        ),
        # A nested model that is called twice: its parameters once, its MACs twice.
        (
            "pkg.nets:shared_and_nested[classes=7]",
            STEM + 8 + UNIT + 8 + 9 * 7,
            (STEM + 2 * UNIT) * 256 + 56,
        ),
        # Two inputs through a shared layer, two outputs.
        (
            "pkg.nets:two_in_two_out",
            9 * 3 * 4 + 4 + 9 * 5 + 9 * 2,
            9 * 3 * 4 * (256 + 64) + 8 * 7,
        ),
    ],
)
def test_resolves_a_builder_by_module_and_name(
    text: str, params: int, macs: int, folder: Path
) -> None:
    assert counted(text, folder) == (params, macs)


def test_resolves_a_builder_in_a_python_file(folder: Path) -> None:
    model = registry.resolve("pkg/nets.py:shared_and_nested", [folder])
    assert (model.input_shape, model.classes) == ((16, 16, 3), 4)


def test_resolves_a_registered_name_beside_the_suite(folder: Path) -> None:
    (folder / "pkg" / "nets.py").rename(folder / "beside.py")
    model = registry.resolve("tinynet[rate=0.1]", [folder])
    assert model.label == "TinyNet[rate=0.1]"
    assert counted("TinyNet", folder)[0] == STEM + 8 + UNIT + 8 + 9 * 4


def test_resolving_does_not_import_the_users_module(folder: Path) -> None:
    (folder / "boom.py").write_text("raise SystemExit('imported')\ndef net(classes=3): ...\n")
    assert registry.resolve("boom:net", [folder]).classes == 3


@pytest.mark.parametrize(
    "source",
    [
        "from .nets import *",
        "import os\nif os.name:\n    from .nets import shared_and_nested",
        "try:\n    from .nets import shared_and_nested\nexcept ImportError:\n    pass",
        "from . import nets\nshared_and_nested, other = nets.shared_and_nested, None",
    ],
)
def test_resolves_an_imported_or_assigned_builder(source: str, folder: Path) -> None:
    (folder / "pkg" / "__init__.py").write_text(source)
    assert registry.resolve("pkg:shared_and_nested[classes=7]", [folder]).classes == 7


def test_reads_unusual_sources_and_rejects_deep_nesting(folder: Path) -> None:
    described = 'net.__doc__, net.__name__ = "a net", "net"'
    (folder / "hard.py").write_text(f"def net(sizes={{[]: 1}}, classes=3): ...\n{described}")
    assert registry.resolve("hard:net", [folder]).classes == 3
    (folder / "harder.py").write_text("x = " + "-" * 50_000 + "1\ndef net(): ...")
    with pytest.raises(UserError, match="nested too deeply"):
        registry.resolve("harder:net", [folder])


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("pkg.nets:shared_and_neste", "did you mean 'shared_and_nested'?"),
        ("pkg.nett:x", "no module 'pkg.nett'"),
        ("pkg.nets:shared_and_nested[rat=0.1]", "takes no parameter 'rat' (did you mean 'rate'?)"),
        ("pkg.nets:shared_and_nested[rate=high]", "the parameter rate=high should be a number"),
        ("pkg.nets:shared_and_nested[classes=0]", "classes=0 is not a number of classes"),
        ("pkg.nets:two_in_two_out[width=3]", "takes no parameter 'width'"),
        ("nowhere.keras", "no file 'nowhere.keras'"),
        ("TinyNett", "unknown model 'TinyNett' (did you mean"),
    ],
)
def test_reports_mistakes_without_building(text: str, words: str, folder: Path) -> None:
    (folder / "beside.py").write_text(NETS)
    with pytest.raises(UserError) as caught:
        registry.resolve(text, [folder])
    assert words in str(caught.value)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("pkg.nets:misspelt", "cannot be built: NameError: name 'kears' is not defined"),
        ("pkg.nets:no_model", "returned int, not a keras.Model (the builder must return"),
        ("pkg.nets:layer", "'layer' is a layer, Dense, not a model (wrap it: keras.Sequential([ke"),
        ("pkg.nets:Subclassed", "the input of pkg.nets:Subclassed is not known"),
        ("pkg.nets:two_in_two_out[input_shape=9x9x3]", "has the input 16x16x3 and 8x8x3, not 9x9"),
    ],
)
def test_reports_mistakes_found_by_building(text: str, words: str, folder: Path) -> None:
    model = registry.resolve(text, [folder])
    with pytest.raises(UserError) as caught, weightless(model):
        pass
    assert words in str(caught.value)


def test_a_keras_file_may_have_several_inputs_and_outputs(folder: Path) -> None:
    network = registry.resolve("pkg.nets:two_in_two_out", [folder]).build()
    network.save(folder / "two.keras")
    assert counted("two.keras", folder)[0] == network.count_params()


def test_rejects_a_lambda_in_a_keras_file(tmp_path: Path) -> None:
    import keras

    inputs = keras.Input((4, 4, 1))
    keras.Model(inputs, keras.layers.Lambda(lambda x: x * 2)(inputs)).save(tmp_path / "l.keras")
    with pytest.raises(UserError) as caught:
        registry.resolve("l.keras", [tmp_path])
    assert str(caught.value) == (
        f"{tmp_path / 'l.keras'}: contains a Lambda layer, whose Python code would run on loading "
        "(replace it with a registered custom layer and save the model again)"
    )


def test_names_an_unknown_layer_in_a_keras_file(folder: Path) -> None:
    registry.resolve("pkg.nets:shared_and_nested", [folder]).build().save(folder / "own.keras")
    for name in [name for name in sys.modules if name.startswith("pkg")]:
        del sys.modules[name]
    (folder / "pkg" / "nets.py").unlink()
    with pytest.raises(UserError) as caught, weightless(registry.resolve("own.keras", [folder])):
        pass
    assert "safe mode without Unit of pkg.nets (layers" in str(caught.value)
    assert "registered (keras.saving) and importable" in str(caught.value)


@pytest.mark.parametrize("content", [b"", b"PK", b"not a zip at all"])
def test_rejects_a_file_that_is_not_a_keras_file(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "x.keras").write_bytes(content)
    with pytest.raises(UserError, match=r"not a \.keras file"):
        registry.resolve("x.keras", [tmp_path])


def test_a_package_adds_architectures_by_an_entry_point(folder: Path) -> None:
    info = folder / "shipped-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: shipped\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(
        "[cnnbench.models]\nShipped = pkg.nets:shared_and_nested\nGone = nowhere.nets:gone\n"
    )
    done = subprocess.run(
        [sys.executable, "-m", "cnnbench", "models", "--json"],
        env={"PYTHONPATH": f"{folder}:{ROOT}", "PATH": ""},
        capture_output=True,
        text=True,
        check=True,
    )
    listed = {entry["name"]: entry for entry in json.loads(done.stdout)}
    assert listed["Shipped"]["input_shape"] == [16, 16, 3]
    assert listed["Shipped"]["source"] == "user"
    # One that is broken is listed all the same, and spoils nothing.
    assert listed["Gone"]["input_shape"] == []
    assert len(listed) >= 67
