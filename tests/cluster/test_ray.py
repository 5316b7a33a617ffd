"""Runs on a Ray cluster on this machine, a head and two nodes that measure: tables, and kills.

``CNNBENCH_SEED`` sets the seed of the moments at which processes are killed.
"""

from __future__ import annotations

import os
import random
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from cnnbench.record import Record, standing
from cnnbench.results.journal import read
from tests import processes
from tests.chaos.harness import NETS, Command, Workplace, check_kept
from tests.cluster.nodes import Nodes, kill_one

pytest.importorskip("ray", reason="the extra [ray] is not installed")
pytestmark = pytest.mark.slow

SUITE = """
name: tiny
models: [nets:net, "nets:net[classes=5]"]
probes:
  static: {batch_sizes: [1]}
  latency: {runtimes: [graph], min_rounds: 1, max_rounds: 1}
limits: {timeout: 30min, memory: 2GiB}
"""
JOBS = 6
CHANCE = random.Random(os.environ.get("CNNBENCH_SEED", "1"))


@pytest.fixture(scope="module")
def nodes() -> Iterator[Nodes]:
    with Nodes("1", "2") as found:
        yield found


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """Return the table of the suite, measured on this machine."""
    place = workplace(tmp_path_factory.mktemp("local") / "place", {})
    ended = place.run()
    assert ended.code == 0, ended.stderr
    return table_of(place)


def workplace(folder: Path, variables: dict[str, str]) -> Workplace:
    place = Workplace.make(folder, variables)
    (folder / "tiny.yaml").write_text(SUITE)
    (folder / "nets.py").write_text(NETS)
    return place


def table_of(place: Workplace) -> bytes:
    (file,) = place.results.glob("tiny/*/report.csv")
    return file.read_bytes()


def start(place: Workplace, nodes: Nodes) -> Command:
    return place.start("--on", f"ray://{nodes.address}")


def records_of(place: Workplace) -> list[Record]:
    return [record for file in place.journals() for record in read(file)[1]]


def assert_nothing_runs(nodes: Nodes) -> None:
    assert processes.wait_until(lambda: not nodes.of("server")), "a fork server is left"


def test_two_commands_share_a_cluster_and_find_what_one_machine_finds(
    tmp_path: Path, nodes: Nodes, table: bytes
) -> None:
    places = [workplace(tmp_path / name, nodes.variables) for name in ("one", "two")]
    for place, ended in [(place, start(place, nodes)) for place in places]:
        done = ended.end()
        assert done.code == 0, done.stderr
        assert table_of(place) == table
        (file,) = place.journals()
        hosts = {record.host for record in read(file)[1] if record.probe == "latency"}
        assert len(hosts) == 1 and hosts != {""}, "what is compared was measured on one node"
        assert list(place.results.glob("tiny/*/artifacts/*/*/made")), "files come back"
        assert all(log.stat().st_size for log in place.results.glob("tiny/*/logs/*static*.log"))
    assert_nothing_runs(nodes)


def test_a_run_in_which_processes_are_killed_is_whole_when_it_is_resumed(
    tmp_path: Path, nodes: Nodes, table: bytes
) -> None:
    place = workplace(tmp_path / "place", nodes.variables)
    before = place.journals()
    for victim in ("driver", "worker", "server"):
        command = start(place, nodes)
        processes.wait_until(lambda command=command: command.is_over() or bool(nodes.of("server")))
        time.sleep(CHANCE.uniform(0.0, 2.0))
        if victim == "driver":
            command.process.kill()
        elif not kill_one(nodes.of(victim)):
            continue
        command.end()
        assert_nothing_runs(nodes)
        check_kept(before, place.journals())
        before = place.journals()
    ended = start(place, nodes).end()
    assert ended.code == 0, ended.stderr
    assert table_of(place) == table
    (file,) = place.journals()
    ok = [record.key for record in read(file)[1] if record.status == "ok"]
    assert len(ok) == len(set(ok)) == JOBS, "nothing is measured twice"


def test_what_a_lost_node_has_measured_is_measured_again_elsewhere(
    tmp_path: Path, nodes: Nodes, table: bytes
) -> None:
    place = workplace(tmp_path / "place", nodes.variables)
    command = start(place, nodes)

    def measuring() -> list[str]:
        """Return the node that has measured some of the column, and measures on."""
        hosts = {record.host for record in records_of(place) if record.probe == "latency"}
        return [name for name in nodes.names() for host in hosts if host.endswith(f"-{name}")]

    processes.wait_until(lambda: command.is_over() or bool(measuring()))
    name = measuring()[0]
    nodes.kill_node(name)
    ended = command.end()
    assert ended.code == 0, ended.stderr
    assert table_of(place) == table
    (file,) = place.journals()
    records = read(file)[1]
    lost = [record for record in records if record.reason.startswith("node lost")]
    assert len(lost) > 1, "the job in flight, and what was measured there before"
    counted = [r for r in standing(records) if r.status == "ok" and r.probe == "latency"]
    assert len({record.host for record in counted}) == 1
    assert_nothing_runs(nodes)
    nodes.start(name)
