"""Tables are the same bytes on every processor.

NumPy, OpenBLAS and the C library choose their code by what the processor can do, and each can be
told to do without. What such a machine makes of every published journal is compared with what this
one makes of it.
"""

from __future__ import annotations

import hashlib
import json
import os
import platform
import subprocess
import sys
from collections.abc import Sequence

import pytest
from numpy._core import _multiarray_umath as numpy_core

from cnnbench import safe_json
from cnnbench.report import files, html
from cnnbench.results import tables
from cnnbench.selection import choose, compare
from tests.conftest import ROOT

RUNS = {
    path.parent.name: path.parent
    for path in sorted((ROOT / "results/published").glob("**/records.jsonl"))
}
_USED = [name for name in numpy_core.__cpu_dispatch__ if numpy_core.__cpu_features__[name]]

NUMPY = {"NPY_DISABLE_CPU_FEATURES": " ".join(_USED)}
C_LIBRARY = {"GLIBC_TUNABLES": "glibc.cpu.hwcaps=-AVX,-AVX2,-AVX512F,-FMA,-FMA4"}
OLDEST = {**NUMPY, **C_LIBRARY, "OPENBLAS_CORETYPE": "Prescott"}
OTHERS = {
    "oldest": OLDEST,
    "NumPy without all": NUMPY,
    "NumPy without the newest": {"NPY_DISABLE_CPU_FEATURES": " ".join(_USED[1:])},
    "C library without FMA": C_LIBRARY,
    **{
        f"OpenBLAS {core}": {"OPENBLAS_CORETYPE": core}
        for core, needed in {"Prescott": "SSE3", "Haswell": "AVX2", "SkylakeX": "AVX512F"}.items()
        if numpy_core.__cpu_features__[needed]
    },
}


def digests(runs: Sequence[str]) -> dict[str, str]:
    """Everything that is made of published journals, and the sha256 of each."""
    made: dict[str, str] = {}
    for folder in (RUNS[name] for name in runs):
        run = tables.load(folder)
        for name, text in files.contents(run).items():
            made[f"{folder.name}/{name}"] = text
        made[f"{folder.name}/report.html"] = html.page(run)
        made[f"{folder.name}/text"] = files.text(folder)
        for metric in ("latency_p50_s", "top1"):
            name = next((n for n in run.report.columns if n.startswith(f"{metric}@")), None)
            if name:
                chosen = choose.choose(run, minimize=name)
                made[f"{folder.name}/choose {name}"] = safe_json.as_table(chosen.to_json())
    for base, new in [("chapter_14", "mobile"), ("mobile", "table_14_3")]:
        if not {base, new} <= set(runs):
            continue
        sides = (tables.load(RUNS[name]) for name in (base, new))
        found = compare.compare(*sides, force=True)
        made[f"compare {base} {new}"] = safe_json.as_table(found.to_json())
    return {name: hashlib.sha256(text.encode()).hexdigest() for name, text in made.items()}


def _digests_where(variables: dict[str, str], runs: Sequence[str]) -> dict[str, str]:
    code = f"import json; from {__name__} import digests; print(json.dumps(digests({runs!r})))"
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT, env={**os.environ, **variables}, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.fixture(scope="module")
def here() -> dict[str, str]:
    return digests(list(RUNS))


@pytest.mark.slow
@pytest.mark.skipif(platform.machine() != "x86_64", reason="the names are those of x86-64")
def test_tables_of_two_runs_are_the_same_on_the_oldest_processor() -> None:
    runs = ["mobile", "table_14_3"]
    assert _digests_where(OLDEST, runs) == digests(runs)


@pytest.mark.slow
@pytest.mark.skipif(platform.machine() != "x86_64", reason="the names are those of x86-64")
@pytest.mark.parametrize("variables", OTHERS.values(), ids=OTHERS)
def test_tables_are_the_same_with_other_code(
    variables: dict[str, str], here: dict[str, str]
) -> None:
    assert _digests_where(variables, list(RUNS)) == here
