"""Facts of the fingerprint: a change of any makes another environment."""

from __future__ import annotations

import json
import tomllib
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest

from cnnbench import environment
from cnnbench.environment import libraries, variables
from cnnbench.probes.latency.runtimes import RUNTIMES
from tests.conftest import ROOT
from tests.test_dependencies import names

PUBLISHED = sorted((ROOT / "results" / "published").glob("*/environment.json"))


def test_what_the_suite_decides_has_no_effect_in_a_process_of_cnnbench_s_own() -> None:
    environ = {"TF_USE_LEGACY_KERAS": "1", "KERAS_MAX_EPOCHS": "1", "PYTHONHASHSEED": "7"}
    environ |= {"PYTHONOPTIMIZE": "2", "KERAS_HOME": "/k", "OMP_NUM_THREADS": "1"}
    variables.override(environ)
    kept = {"KERAS_HOME": "/k", "OMP_NUM_THREADS": "1"}
    assert environ == {"PYTHONHASHSEED": "0", "KERAS_NNX_ENABLED": "0", **kept}


@pytest.mark.parametrize(
    "name",
    [
        *("TF_ENABLE_ONEDNN_OPTS", "TF_XLA_FLAGS", "TF_NUM_INTRAOP_THREADS", "XLA_FLAGS"),
        *("TF_DETERMINISTIC_OPS", "OMP_NUM_THREADS", "KMP_AFFINITY", "MKL_NUM_THREADS"),
        *("OPENBLAS_CORETYPE", "NPY_DISABLE_CPU_FEATURES", "MALLOC_ARENA_MAX", "ORT_DISABLE_ALL"),
        *("OV_CPU_CAPS", "ONEDNN_MAX_CPU_ISA", "NVIDIA_TF32_OVERRIDE", "GLIBC_TUNABLES"),
    ],
)
def test_what_changes_how_a_library_computes_is_on_record(name: str) -> None:
    assert variables.recorded({name: "x", "HOME": "/h"}, has_gpu=False) == {name: "x"}
    assert variables.recorded({name: ""}, has_gpu=False) == {}


def test_what_is_overridden_or_of_another_tool_is_not_on_record() -> None:
    terraform = {"TF_VAR_password": "secret", "TF_TOKEN_app": "secret", "TF_CLI_ARGS": "x"}
    overridden = dict.fromkeys(variables.OVERRIDDEN, "1")
    by_libraries = {"KMP_INIT_AT_FORK": "FALSE", "TF_CPP_MIN_LOG_LEVEL": "3"}
    assert variables.recorded(terraform | overridden | by_libraries, has_gpu=True) == {}


def test_records_the_variables_that_a_runtime_declares() -> None:
    environ = {"TOY_KERNELS": "fast", "TOY_EMPTY": "", "TOY_LOG": "1", "PYTHONHASHSEED": "0"}
    declared = ("TOY_KERNELS", "TOY_EMPTY", "TOY_UNSET", "PYTHONHASHSEED")
    assert variables.recorded(environ, False, declared) == {"TOY_KERNELS": "fast"}


def test_a_preloaded_library_is_named_without_its_folder() -> None:
    environ = {"LD_PRELOAD": "/home/me/libjemalloc.so.2:/usr/lib/libfoo.so libbar.so"}
    found = variables.recorded(environ, has_gpu=False)
    assert found == {"LD_PRELOAD": "libjemalloc.so.2 libfoo.so libbar.so"}


def test_hiding_every_gpu_counts_only_where_there_is_one() -> None:
    environ = {"CUDA_VISIBLE_DEVICES": ""}
    assert variables.recorded(environ, has_gpu=True) == environ
    assert variables.recorded(environ, has_gpu=False) == {}


def facts(file: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(file.read_text())["fingerprint"]
    return found


OLDER = [file for file in PUBLISHED if "schema" not in facts(file)]


def test_times_taken_by_another_rule_are_of_another_environment() -> None:
    now = environment.fingerprint()
    before = {name: fact for name, fact in now.items() if name != "timing"}
    assert environment.differences(before, now) == ["timing: absent -> quiet blocks"]


@pytest.mark.parametrize("file", OLDER, ids=lambda file: file.parent.name)
def test_what_an_older_fingerprint_did_not_look_at_is_no_difference(file: Path) -> None:
    old = facts(file)
    new = old | {"schema": 3, "huge_pages": "madvise", "governor": "performance"}
    new["libraries"] = old["libraries"] | {"tf2onnx": "1.17.0", "Pillow": "12.0", "h5py": "3.11"}
    assert environment.differences(old, new) == []
    assert environment.differences(old, new | {"cpu_quota_cores": 0.6}) == [
        "cpu_quota_cores: absent -> 0.6"
    ]
    assert environment.differences(old, new | {"cores": 64}) == [f"cores: {old['cores']} -> 64"]


def test_each_schema_is_compared_with_what_it_recorded() -> None:
    shared = {"cores": 2, "libraries": {"numpy": "2.4"}}
    first = shared
    second = shared | {"schema": 2, "governor": "performance", "libraries": {"Pillow": "12.0"}}
    third = second | {"schema": 3, "libraries": {"Pillow": "13.0", "h5py": "3.1", "toy": "1.0"}}
    numpy = "libraries.numpy: 2.4 -> absent"
    assert environment.differences(first, second) == [numpy]
    assert environment.differences(first, third) == [numpy]
    assert environment.differences(second, third) == ["libraries.Pillow: 12.0 -> 13.0"]
    older = {**second, "schema": 1, "governor": "powersave"}
    assert "governor: powersave -> performance" in environment.differences(
        older, second | {"schema": 1}
    )


def test_two_fingerprints_of_today_differ_in_everything_they_look_at() -> None:
    base = environment.fingerprint()
    new = base | {"governor": "none", "libraries": base["libraries"] | {"tf2onnx": "0"}}
    assert {line.split(":")[0] for line in environment.differences(base, new)} == {
        "governor",
        "libraries.tf2onnx",
    }
    assert environment.environment_id(base) != environment.environment_id(new)


def dependencies() -> set[str]:
    """The distributions that cnnbench requires, its extras for users included."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"]
    optional = [one for name, wanted in extras.items() if name != "dev" for one in wanted]
    return set(names([*project["dependencies"], *optional]))


def test_every_dependency_is_recorded_or_has_a_reason_why_not() -> None:
    recorded = set(names(list(libraries.LIBRARIES)))
    excused = set(names(list(libraries.WITHOUT_EFFECT)))
    assert not recorded & excused
    assert dependencies() <= recorded | excused, "decide: can its version change a number?"
    assert excused <= dependencies(), "no longer a dependency"
    assert all(libraries.WITHOUT_EFFECT.values())


def test_what_a_runtime_declares_is_recorded() -> None:
    for name, runtime in RUNTIMES.items():
        assert runtime.packages, name
        assert set(runtime.packages) <= libraries.LIBRARIES.keys(), name


def test_libraries_are_recorded_by_their_versions() -> None:
    found = environment.fingerprint()["libraries"]
    for name in ("tensorflow", "h5py", "scikit-learn"):
        assert found[name] == metadata.version(name)
    assert not found.keys() & libraries.WITHOUT_EFFECT.keys()
