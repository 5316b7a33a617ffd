"""Limits of control groups, on made-up trees of both versions."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from cnnbench.environment import cgroup
from cnnbench.environment.cgroup import ControlGroups

MIB = 2**20


def groups(
    folder: Path, groups_of_process: str, mounts: str, files: Mapping[str, str]
) -> ControlGroups:
    """Return the control groups of a process with this ``/proc`` folder and these mounts.

    ``mounts`` are lines of ``root where type options``; ``where`` is below ``folder``.
    """
    for name, text in files.items():
        file = folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(f"{text}\n")
    process = folder / "proc"
    process.mkdir()
    (process / "cgroup").write_text(groups_of_process)
    lines = ["22 1 254:0 / / rw,relatime shared:1 - ext4 /dev/vda rw"]
    for line in mounts.splitlines():
        root, where, kind, options = line.split()
        lines.append(
            f"30 22 0:28 {root} {folder / where} rw,nosuid shared:9 - {kind} cgroup {options}"
        )
    (process / "mountinfo").write_text("\n".join(lines) + "\n")
    return cgroup.of_process(process)


def test_version_2_takes_the_smallest_limit_from_the_own_group_to_the_root(tmp_path: Path) -> None:
    found = groups(
        tmp_path,
        "0::/user.slice/job\n",
        "/ cg cgroup2 rw",
        {
            "cg/user.slice/job/cpu.max": "60000 100000",
            "cg/user.slice/job/cpu.stat": "usage_usec 5\nnr_periods 100\nnr_throttled 97",
            "cg/user.slice/job/memory.max": "max",
            "cg/user.slice/cpu.max": "max 100000",
            "cg/user.slice/cpu.stat": "nr_periods 8\nnr_throttled 2",
            "cg/user.slice/memory.max": str(512 * MIB),
            "cg/cpu.stat": "usage_usec 9",
            "cg/other/cpu.max": "1000 100000",
        },
    )
    assert found.cpu_cores() == 0.6
    assert found.throttled() == 97 + 2
    assert found.memory_bytes() == 512 * MIB


def test_a_quota_of_an_enclosing_group_holds_for_the_own(tmp_path: Path) -> None:
    files = {"cg/a/cpu.max": "50000 100000", "cg/a/b/cpu.max": "150000 100000"}
    assert groups(tmp_path, "0::/a/b\n", "/ cg cgroup2 rw", files).cpu_cores() == 0.5


def test_version_1_has_a_hierarchy_a_controller(tmp_path: Path) -> None:
    found = groups(
        tmp_path,
        "4:memory:/m\n3:cpuset:/\n2:cpu,cpuacct:/jobs/one\n1:name=systemd:/\n",
        "/ cg/cpu,cpuacct cgroup rw,cpu,cpuacct\n/ cg/memory cgroup rw,memory",
        {
            "cg/cpu,cpuacct/jobs/one/cpu.cfs_quota_us": "60000",
            "cg/cpu,cpuacct/jobs/one/cpu.cfs_period_us": "100000",
            "cg/cpu,cpuacct/jobs/one/cpu.stat": "nr_periods 9\nnr_throttled 4\nthrottled_time 7",
            "cg/cpu,cpuacct/jobs/cpu.cfs_quota_us": "-1",
            "cg/cpu,cpuacct/jobs/cpu.cfs_period_us": "100000",
            "cg/memory/m/memory.limit_in_bytes": str(64 * MIB),
            "cg/memory/memory.limit_in_bytes": "9223372036854771712",
        },
    )
    assert found.cpu_cores() == 0.6
    assert found.throttled() == 4
    assert found.memory_bytes() == 64 * MIB


def test_both_versions_may_be_mounted(tmp_path: Path) -> None:
    found = groups(
        tmp_path,
        "1:cpu:/one\n0::/two\n",
        "/ cg/cpu cgroup rw,cpu\n/ cg/unified cgroup2 rw",
        {
            "cg/cpu/one/cpu.cfs_quota_us": "200000",
            "cg/cpu/one/cpu.cfs_period_us": "100000",
            "cg/unified/two/memory.max": "4096",
        },
    )
    assert (found.cpu_cores(), found.memory_bytes()) == (2.0, 4096)


@pytest.mark.parametrize("own", ["/docker/abc", "/docker/abc/inner", "/", "/../elsewhere"])
def test_in_a_container_the_mounted_group_is_the_outermost(tmp_path: Path, own: str) -> None:
    found = groups(
        tmp_path,
        f"0::{own}\n",
        "/docker/abc cg cgroup2 rw",
        {"cg/cpu.max": "300000 200000", "cg/cpu.stat": "nr_throttled 3"},
    )
    assert (found.cpu_cores(), found.throttled()) == (1.5, 3)


def test_a_folder_with_a_space_is_found(tmp_path: Path) -> None:
    found = groups(tmp_path, "0::/\n", "/ a\\040b cgroup2 rw", {"a b/cpu.max": "100000 100000"})
    assert found.cpu_cores() == 1.0


@pytest.mark.parametrize(
    "quota", ["", "max", "0 100000", "60000 0", "x y", "60000", "-1 100000", "60000 100000 9"]
)
def test_what_is_no_quota_is_none(tmp_path: Path, quota: str) -> None:
    files = {"cg/cpu.max": quota, "cg/memory.max": quota, "cg/cpu.stat": f"nr_throttled {quota}"}
    found = groups(tmp_path, "0::/\n", "/ cg cgroup2 rw", files)
    assert found.cpu_cores() is None


def test_without_control_groups_nothing_is_claimed(tmp_path: Path) -> None:
    found = cgroup.of_process(tmp_path / "none")
    assert (found.cpu_cores(), found.memory_bytes(), found.throttled()) == (None, None, 0)
    garbled = groups(tmp_path, "no colons\n::\n", "/ cg cgroup2 rw", {})
    assert garbled.cpu_cores() is None


def test_the_groups_of_this_process_can_be_read() -> None:
    found = cgroup.of_process()
    assert found.throttled() >= 0
    assert (quota := found.cpu_cores()) is None or quota > 0
