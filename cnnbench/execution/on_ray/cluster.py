"""Join a Ray cluster, or start one on this machine; and survey its nodes.

A node takes part if it offers the custom resource ``bench``:
``ray start --address=HOST:PORT --resources='{"bench": 1}'``.
"""

from __future__ import annotations

import contextlib
import importlib
import os
import signal
import threading
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from cnnbench import __version__, environment
from cnnbench.errors import UserError, brief
from cnnbench.execution.executor import Node
from cnnbench.execution.on_ray import node as remote

BENCH = "bench"
ADDRESS = "RAY_ADDRESS"
_CLIENT = "ray://"
_SURVEY_S = 300.0  # for a node to start a worker that imports cnnbench
_HINT = f"""start nodes with: ray start --address=HOST:PORT --resources='{{"{BENCH}": 1}}'"""


@dataclass(frozen=True)
class Member:
    """A node of the cluster.

    Attributes:
        ray_id: id in Ray, another one after each start.
        name: where it is, for people.
        node: for the placement of jobs.
        environment: as of `environment.describe`.
    """

    ray_id: str
    name: str
    node: Node
    environment: Mapping[str, Any]


def library() -> Any:
    """Return the module ``ray``.

    Raises:
        UserError: it is not installed.
    """
    try:
        return importlib.import_module("ray")
    except ImportError as error:
        raise UserError(
            f"the executor 'ray' needs a package: {brief(error)}",
            "--on",
            'pip install "cnnbench[ray]"',
        ) from error


def is_local(address: str) -> bool:
    """Return whether the cluster is one that is started here, for this command alone."""
    return not address and not os.environ.get(ADDRESS)


def join(address: str) -> None:
    """Connect to the cluster at ``HOST:PORT``, else that of `RAY_ADDRESS`, else start one here.

    This machine must be a node of the cluster (``ray start --address=HOST:PORT``).

    Raises:
        UserError: it cannot be reached.
    """
    ray = library()
    given = address or os.environ.get(ADDRESS, "")
    if not address and given.startswith(_CLIENT):
        raise UserError(
            f"the address of a Ray client, {given}, is not supported",
            ADDRESS,
            "make this machine a node of the cluster, and give the address of its head: HOST:6379",
        )
    options: dict[str, Any] = {"address": given}
    if is_local(address):
        # Nothing is reported to anybody, and no page is served.
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
        os.environ.setdefault("RAY_worker_niceness", "0")
        options = {
            "address": "local",
            "resources": {BENCH: 1},
            "num_cpus": environment.usable_cores(),
            "include_dashboard": False,
        }
    try:
        with _handlers_kept():
            ray.init(**options, log_to_driver=False, logging_level="error")
    except (ConnectionError, RuntimeError, ValueError, OSError) as error:
        raise UserError(
            f"no Ray cluster can be joined at {given or 'this machine'}: {brief(error)}",
            "--on",
            "this machine must be a node of the cluster: ray start --address=HOST:PORT",
        ) from error


def survey() -> tuple[list[Member], list[str]]:
    """Return the nodes that can run jobs, all of one environment, and why others cannot.

    Raises:
        UserError: there is none.
    """
    ray = library()
    offering = {
        each["NodeID"]: f"{each['NodeManagerHostname']}:{each['NodeManagerPort']}"
        for each in ray.nodes()
        if each["Alive"] and each["Resources"].get(BENCH, 0) >= 1
    }
    if not offering:
        raise UserError(f"no node of the Ray cluster offers '{BENCH}'", "--on", _HINT)
    asked = {
        ray_id: ray.remote(remote.describe)
        .options(num_cpus=0, max_retries=0, scheduling_strategy=on_node(ray_id))
        .remote()
        for ray_id in offering
    }
    found, problems = [], []
    for ray_id, name in offering.items():
        try:
            found.append(_member(ray_id, name, ray.get(asked[ray_id], timeout=_SURVEY_S)))
        except (ray.exceptions.RayError, ValueError) as error:
            problems.append(f"{name}: {_reason(error)}")
    members, others = equals(found)
    problems += others
    if not members:
        raise UserError("no node of the Ray cluster can run jobs", "--on", "; ".join(problems))
    return members, problems


def _member(ray_id: str, name: str, facts: Mapping[str, Any]) -> Member:
    if facts["cnnbench"] != __version__:
        raise ValueError(f"it has cnnbench {facts['cnnbench']}; {__version__} is needed")
    node = Node(facts["host"], max(1, facts["slots"]), name)
    return Member(ray_id, name, node, facts["environment"])


def equals(members: Sequence[Member]) -> tuple[list[Member], list[str]]:
    """Return the members of the most frequent environment, one a machine, and why not the others.

    Times of machines that differ cannot be compared.
    """
    counts = Counter(member.environment["id"] for member in members)
    most = min(counts, key=lambda one: (-counts[one], one), default="")
    reference = next((m.environment for m in members if m.environment["id"] == most), {})
    chosen: dict[str, Member] = {}
    problems = []
    for member in members:
        if member.environment["id"] != most:
            facts = reference["fingerprint"], member.environment["fingerprint"]
            words = "; ".join(environment.differences(*facts))
            problems.append(f"{member.name}: differs from the other nodes: {words}")
        elif (twin := chosen.get(member.node.host)) is not None:
            problems.append(
                f"{member.name}: on the same machine as {twin.name}; set {remote.VARIABLE} to tell "
                "disjoint sets of cores apart"
            )
        else:
            chosen[member.node.host] = member
    return list(chosen.values()), problems


def on_node(ray_id: str) -> Any:
    """Return Ray's strategy to run a task on one node and nowhere else."""
    strategies = importlib.import_module("ray.util.scheduling_strategies")
    return strategies.NodeAffinitySchedulingStrategy(node_id=ray_id, soft=False)


def is_alive(ray_id: str) -> bool:
    """Return whether the cluster still has a node."""
    return any(each["NodeID"] == ray_id and each["Alive"] for each in library().nodes())


def leave() -> None:
    """Leave the cluster; one that was started here ends."""
    ray = library()
    with _handlers_kept():
        ray.shutdown()


def _reason(error: BaseException) -> str:
    cause = getattr(error, "cause", None) or error
    lines = str(cause).strip().splitlines() or [type(cause).__name__]
    return lines[-1] if "Traceback" in lines[0] else lines[0]


@contextlib.contextmanager
def _handlers_kept() -> Iterator[None]:
    """Keep the signal handlers of the command, which Ray replaces."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    names = (signal.SIGTERM, signal.SIGINT)
    before = [signal.getsignal(name) for name in names]
    try:
        yield
    finally:
        for name, handler in zip(names, before, strict=True):
            signal.signal(name, handler)
