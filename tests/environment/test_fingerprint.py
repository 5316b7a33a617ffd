"""Which facts make an environment another one."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from cnnbench import environment
from cnnbench.environment import variables
from tests.conftest import ROOT

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


@pytest.mark.parametrize("file", PUBLISHED, ids=lambda file: file.parent.name)
def test_what_an_older_fingerprint_did_not_look_at_is_no_difference(file: Path) -> None:
    old = facts(file)
    libraries = old["libraries"] | {"tf2onnx": "1.17.0", "Pillow": "12.0"}
    new = old | {"schema": 2, "huge_pages": "madvise", "governor": "performance"}
    new["libraries"] = libraries
    assert environment.differences(old, new) == []
    assert environment.differences(old, new | {"cpu_quota_cores": 0.6}) == [
        "cpu_quota_cores: absent -> 0.6"
    ]
    assert environment.differences(old, new | {"cores": 64}) == [f"cores: {old['cores']} -> 64"]


def test_two_fingerprints_of_today_differ_in_everything_they_look_at() -> None:
    base = environment.fingerprint()
    new = base | {"governor": "none", "libraries": base["libraries"] | {"tf2onnx": "0"}}
    assert {line.split(":")[0] for line in environment.differences(base, new)} == {
        "governor",
        "libraries.tf2onnx",
    }
    assert environment.environment_id(base) != environment.environment_id(new)
