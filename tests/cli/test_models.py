"""``cnnbench models``: the catalogue from the shell."""

from __future__ import annotations

import json
import pkgutil
import subprocess
import sys
from typing import Any

import pytest
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
    row = CliRunner().invoke(command, ["--family", "AlexNet"]).stdout.splitlines()[1]
    for cell in ("AlexNet", "1.14 G", "250 MB", "62.4 M", "227x227x3", "none", "groups, dropout"):
        assert cell in row
    assert row.endswith("doi:10.1145/3065386, sec. 3.5")


def listed(*arguments: str) -> list[dict[str, Any]]:
    done = CliRunner().invoke(command, [*arguments, "--json"], catch_exceptions=False)
    found: list[dict[str, Any]] = json.loads(done.stdout)
    return found


def test_json_has_costs_weights_and_parameters() -> None:
    (net,) = listed("mobilenetv2")
    assert net["macs"] == 300_774_272
    assert net["file_bytes"] == 4 * net["params"] == 4 * 3_538_984
    assert net["weights"] == "imagenet"
    assert net["takes"] == ["alpha", "classifier_activation"]
    head = next(one for one in listed() if one["name"] == "+yolo")
    assert head["macs"] is head["file_bytes"] is head["weights"] is None
    assert "grid" in head["takes"]


def test_filters_by_cost_and_sorts_by_it() -> None:
    found = listed(
        "--max", "macs=300M", "--max", "file=20MB", "--min", "params=1M", "--sort", "macs"
    )
    assert {"ShuffleNetV2", "SqueezeNet"} & {net["name"] for net in found}
    assert all(net["macs"] <= 300e6 and 1e6 <= net["params"] <= 5e6 for net in found)
    costs = [net["macs"] for net in found]
    assert costs == sorted(costs)
    assert "head" not in {net["source"] for net in found}


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--max", "latency=3ms"), "--max: 'latency' is not in the catalogue's facts (one of: "),
        (("--max", "macs=3MB"), "--max macs: '3MB' has no unit that fits (write for example 4M"),
        (("--min", "macs"), "--min: 'macs' is not METRIC=VALUE"),
        (
            ("--sort", "prams"),
            "--sort: 'prams' is not in the catalogue's facts (did you mean 'params",
        ),
    ],
)
def test_rejects_limits_and_orders_that_the_catalogue_lacks(
    arguments: tuple[str, ...], words: str
) -> None:
    assert words in str(CliRunner().invoke(command, arguments).exception)


def test_limits_that_nothing_satisfies_say_so() -> None:
    done = CliRunner().invoke(command, ["--max", "params=10"])
    assert (done.exit_code, done.stdout) == (0, "No architecture is within these limits.\n")


def test_the_command_line_lists_what_is_small_enough_the_cheapest_first() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "cnnbench", "models", "--max", "macs=50M", "--sort", "macs"],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert done.stdout.splitlines()[1].startswith("LeNet5 ")
    assert done.stderr == ""
