"""Layers of our own: their arithmetic, and that whoever loads a file with them finds them."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from tests.processes import HANGS_AFTER_S


def test_local_response_normalisation_equals_hand_computation() -> None:
    from cnnbench.models.families.own_layers import LocalResponseNormalization

    activations = np.arange(1, 9, dtype=np.float32).reshape(1, 1, 1, 8) * 30
    found = np.asarray(LocalResponseNormalization()(activations))[0, 0, 0]
    # Channel 3 sees channels 1 to 5: 60² + 90² + 120² + 150² + 180² = 81,000.
    assert found[3] == pytest.approx(120 / (2 + 1e-4 * 81_000) ** 0.75, rel=1e-5)
    # Channel 0 has neighbours on one side only: 30² + 60² + 90² = 12,600.
    assert found[0] == pytest.approx(30 / (2 + 1e-4 * 12_600) ** 0.75, rel=1e-5)


def test_alexnet_is_saved_and_loaded_in_safe_mode(tmp_path: Path) -> None:
    import keras

    from cnnbench.models import registry

    alexnet = registry.resolve("AlexNet[input_shape=67x67x1,classes=3]")
    network = alexnet.build()
    network.save(tmp_path / "alexnet.keras")
    loaded = registry.resolve("alexnet.keras", [tmp_path])
    assert (loaded.input_shape, loaded.classes) == ((67, 67, 1), 3)
    image = np.random.default_rng(0).random((1, 67, 67, 1), np.float32)
    again = loaded.build()
    assert isinstance(again, keras.Model)
    np.testing.assert_array_equal(again(image), network(image))


@pytest.mark.slow
def test_another_process_counts_a_file_with_own_layers(tmp_path: Path) -> None:
    """One in which no builder has been imported that would have registered them."""
    from cnnbench.models import registry

    file = tmp_path / "shuffled.keras"
    network = registry.resolve("ShuffleNetV2[input_shape=32x32x3,classes=3]").build()
    network.save(file)
    done = subprocess.run(
        [sys.executable, "-m", "cnnbench", "inspect", str(file), "--json"],
        capture_output=True, text=True, timeout=HANGS_AFTER_S,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["metrics"]["params"] == network.count_params()


def test_rejects_an_even_window() -> None:
    from cnnbench.models.families.own_layers import LocalResponseNormalization

    with pytest.raises(ValueError, match="odd, not 4"):
        LocalResponseNormalization(4)
