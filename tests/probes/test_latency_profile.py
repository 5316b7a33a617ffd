"""Measured time by operation, beside the counts of an inspection."""

from __future__ import annotations

import pytest

from cnnbench.errors import Unavailable, UserError
from cnnbench.models import registry
from cnnbench.probes.latency import profile as profiling
from cnnbench.probes.latency.runtimes.executed import Profile, TimedOperation
from cnnbench.probes.latency.settings import LatencySetting

PROFILE = Profile(
    (
        TimedOperation("first", "CONV", 0.001, 4_000_000, "fake"),
        TimedOperation("second", "SORT", 0.003, None, "fake"),
    ),
    0.004,
    "Times are made up.",
    1e-5,
)


def test_a_runtime_that_does_not_tell_is_refused_with_those_that_do() -> None:
    with pytest.raises(UserError, match="graph does not tell the time") as error:
        profiling.check("graph")
    assert "these do: litert, onnxruntime, openvino" in error.value.one_line()
    with pytest.raises(UserError, match="unknown runtime"):
        profiling.check("nonesuch")


def test_tables_show_the_heaviest_first_with_shares_and_rates() -> None:
    found = profiling.addition(PROFILE, LatencySetting(runtime="litert"))
    kinds, operations = found.tables
    assert kinds.rows == (
        ("SORT", "1", "3 ms", "75.0 %", "", ""),
        ("CONV", "1", "1 ms", "25.0 %", "4,000,000", "4 G /s"),
    )
    assert [row[:5] for row in operations.rows] == [
        ("second", "SORT", "fake", "3 ms", "75.0 %"),
        ("first", "CONV", "fake", "1 ms", "25.0 %"),
    ]
    assert operations.note == "Times are made up. Differences below 10.0 µs are noise."
    assert "measured once" in kinds.note
    assert found.value["operations"][0] == {
        "name": "first",
        "type": "CONV",
        "by": "fake",
        "seconds": 0.001,
        "macs": 4_000_000,
    }


def test_of_many_operations_the_rest_is_summed_up() -> None:
    many = tuple(TimedOperation(f"n{n}", "CONV", 0.001) for n in range(40))
    _, operations = profiling.addition(
        Profile(many, 0.040, "M."), LatencySetting(runtime="litert")
    ).tables
    assert len(operations.rows) == 30
    assert operations.note == "M. 10 operations more take 10.0 ms (25.0 %)."


@pytest.mark.slow
@pytest.mark.parametrize("runtime", ["litert", "onnxruntime", "openvino"])
def test_a_network_is_profiled_by_every_runtime_that_is_installed(runtime: str) -> None:
    try:
        found = profiling.profile(registry.resolve("LeNet5"), runtime, seconds=0.5)
    except Unavailable as missing:
        pytest.skip(str(missing))
    assert len(found.operations) >= 5
    assert all(one.seconds >= 0 for one in found.operations)
    assert sum(one.seconds for one in found.operations) > 0
