"""``cnnbench models``: the catalogue from the shell."""

from __future__ import annotations

import json
import pkgutil

from click.testing import CliRunner

from cnnbench.cli.models import command


def test_json_lists_every_architecture_with_the_keys_of_the_contract() -> None:
    listed = json.loads(CliRunner().invoke(command, ["--json"]).stdout)
    by_name = {entry["name"]: entry for entry in listed}
    assert len(by_name) == len(listed) >= 60
    assert len({entry["family"] for entry in listed}) >= 15
    for entry in listed:
        assert entry.keys() >= {"name", "family", "year", "input_shape", "params", "source"}
    assert by_name["BasicCNN"]["params"] == 1_413_834
    assert by_name["LeNet5"]["params"] == 61_706
    assert by_name["MobileNetV3Small"]["input_shape"] == [224, 224, 3]


def test_all_builders_of_keras_applications_are_there() -> None:
    """Counted in the installed package itself: its functions that build a network."""
    import keras

    names = {
        name
        for module in pkgutil.iter_modules(keras.applications.__path__)
        for name, value in vars(getattr(keras.applications, module.name)).items()
        if name[:1].isupper() and callable(value)
    }
    names |= {n for n, v in vars(keras.applications).items() if n[:1].isupper() and callable(v)}
    listed = json.loads(CliRunner().invoke(command, ["--json"]).stdout)
    ours = {entry["name"] for entry in listed if entry["source"] == "keras.applications"}
    assert len(names) == 40
    assert ours == names


def test_a_family_alone_and_one_that_is_not_there() -> None:
    shown = CliRunner().invoke(command, ["--family", "lenet"]).stdout
    assert "LeNet5" in shown
    assert "VGG16" not in shown
    wrong = CliRunner().invoke(command, ["--family", "MobilNet"])
    assert "did you mean 'MobileNet'" in str(wrong.exception)
