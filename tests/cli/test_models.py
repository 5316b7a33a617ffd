"""``cnnbench models``: the catalogue from the shell."""

from __future__ import annotations

import json
import pkgutil
import subprocess
import sys

from click.testing import CliRunner

from cnnbench.cli.models import command


def test_json_lists_every_architecture_with_all_keys() -> None:
    listed = json.loads(CliRunner().invoke(command, ["--json"]).stdout)
    by_name = {entry["name"]: entry for entry in listed}
    assert len(by_name) == len(listed) >= 60
    assert len({entry["family"] for entry in listed}) >= 15
    for entry in listed:
        assert entry.keys() >= {"name", "family", "year", "task", "input_shape", "params", "source"}
    assert by_name["BasicCNN"]["params"] == 1_413_834
    assert by_name["LeNet5"]["params"] == 61_706
    assert by_name["MobileNetV3Small"]["input_shape"] == [224, 224, 3]


def test_filters_by_task_and_names_an_unknown_one() -> None:
    everything, classifiers = (
        json.loads(CliRunner().invoke(command, [*options, "--json"]).stdout)
        for options in ([], ["--task", "Classification"])
    )
    assert classifiers == [entry for entry in everything if entry["task"] == "classification"]
    error = CliRunner().invoke(command, ["--task", "clasification"]).exception
    assert "--task: unknown task 'clasification' (did you mean 'classification'?)" in str(error)


def test_lists_all_builders_of_keras_applications() -> None:
    """The builders are found in the installed package itself."""
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


def test_filters_by_family_and_names_an_unknown_one() -> None:
    shown = CliRunner().invoke(command, ["--family", "lenet"]).stdout
    assert "LeNet5" in shown
    assert "VGG16" not in shown
    wrong = CliRunner().invoke(command, ["--family", "MobilNet"])
    assert "did you mean 'MobileNet'" in str(wrong.exception)


def test_finds_models_by_a_part_of_the_name() -> None:
    listed = json.loads(CliRunner().invoke(command, ["mobilenet-v3", "--json"]).stdout)
    assert [entry["name"] for entry in listed] == ["MobileNetV3Small", "MobileNetV3Large"]
    wrong = CliRunner().invoke(command, ["ResNet99"])
    assert "no architecture has 'ResNet99' in its name" in str(wrong.exception)
    assert "did you mean 'ResNet" in str(wrong.exception)


def test_lists_the_catalogue_without_building_networks() -> None:
    """No TensorFlow: in a fresh process, so that nothing was imported before."""
    heavy = "{'tensorflow', 'keras', 'tf_keras', 'pandas'} & set(sys.modules)"
    code = (
        "import sys; from cnnbench.cli.models import command; "
        f"command(['--json'], standalone_mode=False); print({heavy}, file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert len(json.loads(done.stdout)) >= 60
    assert done.stderr == "set()\n"


def test_the_table_shows_the_facts_of_the_catalogue() -> None:
    (row,) = CliRunner().invoke(command, ["--family", "AlexNet"]).stdout.splitlines()[1:]
    for cell in ("AlexNet", "2012", "227x227x3", "62,378,344", "doi:10.1145/3065386"):
        assert cell in row
