"""Forecasts of a results folder: what they are fitted on, how they are kept, what they say."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from cnnbench.errors import UserError
from cnnbench.forecast import Forecast, evidence, fit, stored
from cnnbench.forecast.counts import FOLDER, Counts
from cnnbench.forecast.forecaster import Prediction
from cnnbench.forecast.forecasts import store
from cnnbench.models import registry
from tests.forecast import networks
from tests.records import FACTS, Book

OTHER = {**FACTS, "cpu": "Another CPU"}
LITERT = "cpu/litert/b1"


def fitted(results: Path) -> Forecast:
    (found,) = fit(results, FACTS, Counts(results, networks.count)).found
    store(results, FACTS, [found])
    return found


def test_a_forecast_predicts_a_network_that_was_not_measured(tmp_path: Path) -> None:
    found = fitted(networks.write_runs(tmp_path))
    predicted = found.predict(networks.operations("NASNetMobile"))
    assert predicted.seconds == pytest.approx(networks.seconds("NASNetMobile"), rel=1e-3)
    assert (predicted.networks, predicted.setting) == (len(networks.NAMES), LITERT)
    assert found.is_usable and found.median_error < 0.01 < found.macs_error


def test_what_was_fitted_is_kept_for_this_machine_only(tmp_path: Path) -> None:
    found = fitted(networks.write_runs(tmp_path))
    (again,) = stored(tmp_path, FACTS)
    operations = networks.operations("NASNetMobile")
    assert again.predict(operations) == found.predict(operations)
    assert again.to_json() == found.to_json()
    assert stored(tmp_path, OTHER) == []
    other_runtime = {**FACTS, "libraries": {"ai-edge-litert": "9.9"}}
    assert stored(tmp_path, other_runtime) == []
    assert stored(tmp_path / "elsewhere", FACTS) == []


@pytest.mark.parametrize(
    "damage",
    [
        lambda facts: facts["forecasts"][0].pop("seconds"),
        lambda facts: facts["forecasts"][0]["costs"].pop(),
        lambda facts: facts["forecasts"][0].update(costs=[["x"]]),
        lambda facts: facts["forecasts"][0].update(seconds=["x"]),
        lambda facts: facts.update(costs=["other"]),
        lambda facts: facts.update(forecasts=7),
    ],
)
def test_a_damaged_or_older_file_is_no_forecast(tmp_path: Path, damage: object) -> None:
    fitted(networks.write_runs(tmp_path))
    file = tmp_path / FOLDER / "fitted.json"
    facts = json.loads(file.read_text())
    damage(facts)  # type: ignore[operator]
    file.write_text(json.dumps(facts))
    assert stored(tmp_path, FACTS) == []
    file.write_text("{")
    assert stored(tmp_path, FACTS) == []


def test_latencies_of_other_machines_are_not_used(tmp_path: Path) -> None:
    networks.write_runs(tmp_path)
    book = Book(OTHER)
    for name in networks.NAMES:
        networks.add(book, name, 1.0)
    book.write(tmp_path / "other" / "20260101T000000Z")
    (path,) = evidence.gather(tmp_path, FACTS).paths
    assert {one.model: one.seconds for one in path.networks} == pytest.approx(
        {name: networks.seconds(name) for name in networks.NAMES}
    )


def test_a_network_that_several_runs_measured_counts_once(tmp_path: Path) -> None:
    for place, seconds in enumerate((0.01, 0.04)):
        book = networks.add(Book(), "LeNet5", seconds)
        book.write(tmp_path / f"suite{place}" / "20260101T000000Z")
    (path,) = evidence.gather(tmp_path, FACTS).paths
    (one,) = path.networks
    assert one.seconds == pytest.approx(0.02)  # the geometric mean


def test_few_networks_give_no_forecast_and_say_so(tmp_path: Path) -> None:
    results = networks.write_runs(tmp_path, networks.NAMES[:4])
    found = fit(results, FACTS, Counts(results, networks.count))
    assert found.found == ()
    assert found.too_few == {LITERT: "4 networks, 12 are needed"}


def test_a_network_that_cannot_be_counted_is_named_and_left_out(tmp_path: Path) -> None:
    networks.write_runs(tmp_path)
    networks.add(Book(), "gone.py:build", 0.01).write(tmp_path / "gone" / "20260101T000000Z")
    found = fit(tmp_path, FACTS, Counts(tmp_path, networks.count))
    assert len(found.found[0].table.names) == len(networks.NAMES)
    (note,) = found.notes
    assert note.startswith("gone.py:build is left out: ")


def test_a_folder_without_runs_is_a_mistake(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no run is in it"):
        evidence.gather(tmp_path, FACTS)


def test_counts_are_made_once_and_read_from_the_cache(tmp_path: Path) -> None:
    model, asked = registry.resolve("LeNet5"), []

    def count(model: object, shape: object) -> list[networks.Operation]:
        asked.append(shape)
        return networks.operations("LeNet5") * 2

    counts = Counts(tmp_path, count)
    first, second = (counts.of(model, (32, 32, 1)) for _ in range(2))
    assert sorted(first, key=str) == sorted(second, key=str)
    assert asked == [(32, 32, 1)]
    for file in (tmp_path / FOLDER).iterdir():
        file.write_text('{"operations": [[1, "magic"]]}')
    assert counts.known(model, (32, 32, 1)) is None


def test_a_prediction_is_marked_as_one_and_has_two_digits() -> None:
    said = Prediction(LITERT, 0.0031449, 40, 0.1134, 0.3, False)
    assert str(said) == (
        "about 3.1 ms (predicted from 40 networks measured here; median error 11 %)"
    )
    beyond = Prediction(LITERT, 0.3144, 12, 0.2, 0.3, True)
    assert str(beyond).startswith("about 310 ms (")
    assert str(beyond).endswith("; median error 20 %; beyond the networks measured)")


def test_a_network_larger_than_all_measured_is_marked(tmp_path: Path) -> None:
    found = fitted(networks.write_runs(tmp_path))
    assert not found.predict(networks.operations("ResNet18")).is_beyond
    assert found.predict(networks.operations("ResNet18") * 100).is_beyond


@pytest.fixture(scope="module")
def counted_results(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a results folder with every network counted already."""
    results = networks.write_runs(tmp_path_factory.mktemp("results"))
    counts = Counts(results, networks.count)
    for name in (*networks.NAMES, "NASNetMobile"):
        model = registry.resolve(name)
        counts.of(model, (32, 32, 3))
        counts.of(model, tuple(model.input_shape))
    return results


def run(results: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "cnnbench", "forecast", "--results", str(results)]
    return subprocess.run([*command, *arguments], capture_output=True, text=True, check=False)


def test_the_command_states_errors_and_predicts(counted_results: Path) -> None:
    done = run(counted_results, "--environment", networks.ENVIRONMENT)
    assert done.returncode == 0, done.stderr
    assert "whole family was left out" in done.stdout
    row = next(line for line in done.stdout.splitlines() if line.startswith(LITERT))
    assert row.split()[1:3] == ["14", "7"]
    done = run(
        counted_results, "--environment", networks.ENVIRONMENT, "--format", "json", "NASNetMobile"
    )
    (found,) = json.loads(done.stdout)
    assert (found["model"], found["setting"]) == ("NASNetMobile", LITERT)
    assert found["predicted_s"] == pytest.approx(networks.seconds("NASNetMobile"), rel=1e-3)


def test_the_command_explains_a_machine_that_nothing_was_measured_on(
    counted_results: Path,
) -> None:
    done = run(counted_results)
    assert done.returncode == 2
    assert "no latency was measured on this machine" in done.stderr
    wrong = run(counted_results, "--environment", "nonesuch")
    assert wrong.returncode == 2
    assert f"known are {networks.ENVIRONMENT}" in wrong.stderr
