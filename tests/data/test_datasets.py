"""Data sets by name: facts without heavy imports, and hints for names that do not exist."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from cnnbench.data import datasets
from cnnbench.data.datasets import LocalDataSet
from cnnbench.errors import UserError
from cnnbench.models import registry
from cnnbench.suite import suite

LIGHT = """
import sys
from cnnbench.data import datasets
assert dict(datasets.fixed())["tf_flowers"].has_validation
assert datasets.find("folder:photos").facts.px == 224
heavy = {"tensorflow", "keras", "tensorflow_datasets", "sklearn", "PIL", "pandas"}
print(*heavy & set(sys.modules))
"""


def test_facts_of_every_data_set_are_known_without_heavy_imports() -> None:
    done = subprocess.run([sys.executable, "-c", LIGHT], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("digitz", "unknown data set (did you mean 'digits'?)"),
        ("mnistt", "one of: fashion_mnist, digits, scenes, tf_flowers, folder:PATH"),
        ("folder:", "needs a path, as folder:photos"),
        ("digits:0", "digits takes no path"),
    ],
)
def test_a_wrong_name_is_refused_with_a_hint(name: str, message: str) -> None:
    with pytest.raises(UserError) as caught:
        datasets.find(name)
    assert message in caught.value.one_line()


def test_a_folder_beside_the_suite_is_hinted_with_its_line(tmp_path: Path) -> None:
    (tmp_path / "shapes").mkdir()
    file = tmp_path / "s.yaml"
    file.write_text("name: s\nmodels: [LeNet5]\nprobes:\n  accuracy: [{dataset: shapes}]\n")
    with pytest.raises(UserError) as caught:
        suite.load(file, registry)
    assert "s.yaml:4: probes.accuracy.0.dataset: 'shapes'" in caught.value.one_line()
    assert "did you mean folder:shapes?" in caught.value.one_line()


def test_one_s_own_files_are_told_from_named_data_sets() -> None:
    assert isinstance(datasets.find("folder:photos"), LocalDataSet)
    assert not isinstance(datasets.find("digits"), LocalDataSet)
    assert datasets.short_name("folder:a/b/photos") == "photos"
    assert datasets.facts_of("photos") is datasets.UNKNOWN
