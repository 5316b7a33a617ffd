"""Files that travel with a job, and one job as a node runs it, without Ray."""

from __future__ import annotations

import hashlib
import os
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from cnnbench.errors import UserError
from cnnbench.execution import executor as executors
from cnnbench.execution.executor import Node
from cnnbench.execution.job import JobRequest
from cnnbench.execution.on_ray import cluster, files, node
from cnnbench.execution.on_ray.cluster import Member
from cnnbench.execution.on_ray.executor import RayExecutor
from cnnbench.probes.static import StaticSetting
from tests.chaos.harness import NETS, STAND_IN
from tests.conftest import ROOT
from tests.execution.fake import describe


def sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


@pytest.fixture
def request_(tmp_path: Path) -> JobRequest:
    """Return a job of a run, on a network in the suite's folder."""
    suite, run = tmp_path / "suite", tmp_path / "results" / "s" / "now"
    (suite / "layers").mkdir(parents=True)
    (suite / "nets.py").write_text("from layers import blocks\n" + NETS)
    (suite / "layers" / "__init__.py").write_text("")
    (suite / "layers" / "blocks.py").write_text("SIZE = 3\n")
    (suite / "other.py").write_text("raise SystemExit\n")
    artifacts = run / "artifacts" / "net" / "static-b1"
    scratch = artifacts / "scratch-0"
    scratch.mkdir(parents=True)
    (artifacts.parent / "weights.bin").write_text("weights")
    (run / "logs").mkdir()
    return JobRequest(
        id="job", model="nets:net", search_path=(str(suite),), probe="static",
        setting=StaticSetting().model_dump(mode="json"), repeat=0, artifacts=str(artifacts),
        scratch=str(scratch), log=str(run / "logs" / "job.log"), data_dir=None,
        memory_limit=None, timeout_s=1800.0, run=str(run), cache=str(run.parent.parent / ".cache"),
        is_exclusive=False,
    )  # fmt: skip


def test_the_modules_of_the_network_and_the_artifacts_of_its_model_travel(
    request_: JobRequest,
) -> None:
    found = files.packed(request_, files.Hashes())
    assert set(found.hashes) == {
        "run/artifacts/net/weights.bin", "search/0/nets.py", "search/0/layers/__init__.py",
        "search/0/layers/blocks.py",
    }  # fmt: skip
    assert found.hashes["run/artifacts/net/weights.bin"] == sha256("weights")
    assert found.sources[sha256("SIZE = 3\n")].name == "blocks.py"


def test_files_that_a_setting_names_travel_and_folders_and_absolute_paths_do_not(
    request_: JobRequest, tmp_path: Path
) -> None:
    suite = Path(request_.search_path[0])
    (suite / "trained.h5").write_text("trained")
    (suite / "photos").mkdir()
    names = {"weights": "trained.h5", "nested": [{"dataset": "photos", "secret": "/etc/passwd"}]}
    setting = {**request_.setting, **names, "outside": "../suite/other.py"}
    found = files.packed(replace(request_, setting=setting), files.Hashes())
    searched = {name for name in found.hashes if name.startswith("search/")}
    assert searched - {"search/0/nets.py"} == {
        "search/0/trained.h5", "search/0/layers/__init__.py", "search/0/layers/blocks.py"
    }  # fmt: skip


def test_a_changed_file_is_hashed_again(tmp_path: Path) -> None:
    hashes, file = files.Hashes(), tmp_path / "file"
    file.write_text("one")
    assert hashes.of(file) == sha256("one")
    file.write_text("three")
    assert hashes.of(file) == sha256("three")


def test_a_store_keeps_contents_by_their_hash(tmp_path: Path) -> None:
    store = files.Store(tmp_path / "store")
    store.add(sha256("a"), b"a")
    with pytest.raises(ValueError, match="another content"):
        store.add(sha256("b"), b"c")
    assert (store.has(sha256("a")), store.has(sha256("b"))) == (True, False)
    folder = store.job_folder()
    store.lay({"run/deep/file": sha256("a")}, folder)
    assert (folder / "run/deep/file").read_text() == "a"
    for path in ("../file", "/file"):
        with pytest.raises(ValueError, match="leads out of its folder"):
            store.lay({path: sha256("a")}, folder)


def test_the_folder_of_a_process_that_was_killed_is_removed(tmp_path: Path) -> None:
    store = files.Store(tmp_path / "store")
    dead = tmp_path / "store" / "jobs" / "99999999-x"
    dead.mkdir()
    own = store.job_folder()
    assert own.exists() and not dead.exists()
    assert store.job_folder() != own and own.exists()


def test_what_a_node_sends_stays_among_the_artifacts_of_the_model(request_: JobRequest) -> None:
    inside = files.received(request_, "artifacts/net/static-b1/model.tflite")
    assert inside.is_relative_to(request_.artifacts)
    for name in ("records.jsonl", "artifacts/other/file", "artifacts/net/../x", "/etc/passwd"):
        with pytest.raises(ValueError, match=r"not among the artifacts|leads out"):
            files.received(request_, name)


def test_a_node_runs_a_job_with_the_files_that_it_was_sent(
    request_: JobRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(STAND_IN), str(ROOT)]))
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    luggage = files.packed(request_, files.Hashes())
    store = files.Store()
    for digest, file in luggage.sources.items():
        store.add(digest, file.read_bytes())
    before = os.sched_getaffinity(0)
    messages = list(node.perform(request_, luggage.search_path, luggage.hashes, {}, watches=False))
    kinds = [message[0] for message in messages]
    assert kinds[0] == node.STARTED and kinds[-2:] == [node.REMOVED, node.LOG]
    (result,) = [message[1] for message in messages if message[0] == node.ENDED]
    assert result["status"] == "ok", result
    assert result["environment"]["fingerprint"]["cores"] == len(before), "of the whole node"
    assert os.sched_getaffinity(0) == before
    assert not list((store.folder / "jobs").iterdir())


def test_what_a_job_writes_and_removes_goes_back(request_: JobRequest, tmp_path: Path) -> None:
    luggage = files.packed(request_, files.Hashes())
    store = files.Store(tmp_path / "store")
    for digest, file in luggage.sources.items():
        store.add(digest, file.read_bytes())
    folder = store.job_folder()
    store.lay(luggage.hashes, folder)
    here = files.relocated(request_, luggage.search_path, folder, store.cache)
    assert not list(files.written(folder, luggage.hashes))
    (Path(here.artifacts) / "model").write_text("new")
    (Path(here.artifacts).parent / "weights.bin").unlink()
    names = [(name, digest) for name, digest, _ in files.written(folder, luggage.hashes)]
    assert names == [("artifacts/net/static-b1/model", sha256("new"))]
    assert files.removed(folder, luggage.hashes) == ["artifacts/net/weights.bin"]


def test_threads_that_ray_sets_are_as_they_were(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    node.restore_variables()
    assert "OMP_NUM_THREADS" not in os.environ


def member(name: str, host: str, environment: str) -> Member:
    return Member(name, name, Node(host), describe(environment))


def test_only_equal_nodes_take_part_and_only_one_a_machine() -> None:
    nodes = [
        member("n1", "h1", "fast"), member("n2", "h2", "slow"), member("n3", "h3", "fast"),
        member("n4", "h3", "fast"),
    ]  # fmt: skip
    chosen, problems = cluster.equals(nodes)
    assert [one.name for one in chosen] == ["n1", "n3"]
    assert problems == [
        "n2: differs from the other nodes: cpu: fast -> slow",
        "n4: on the same machine as n3; set CNNBENCH_MACHINE to tell disjoint sets of cores apart",
    ]


def test_the_executor_is_found_and_making_it_starts_nothing() -> None:
    executor = executors.find("ray://head:6379")
    assert isinstance(executor, RayExecutor) and isinstance(executor, executors.Cluster)
    assert not executor.uses_this_machine


def test_a_missing_library_is_reported_in_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    monkeypatch.delenv(cluster.ADDRESS, raising=False)
    with pytest.raises(UserError, match=r"'ray' needs a package: .*pip install .*\[ray\]"):
        RayExecutor().environment()


def test_the_address_of_a_client_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", object())
    monkeypatch.setenv(cluster.ADDRESS, "ray://head:10001")
    with pytest.raises(UserError, match="address of a Ray client"):
        cluster.join("")


class NoBench:
    """A cluster whose nodes do not offer what measuring takes."""

    def nodes(self) -> list[dict[str, object]]:
        dead = {"NodeID": "2", "Alive": False, "Resources": {"bench": 1.0}}
        return [{"NodeID": "1", "Alive": True, "Resources": {"CPU": 4.0, "bench": 0.5}}, dead]


def test_a_cluster_without_a_node_that_measures_is_refused_at_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "ray", NoBench())
    with pytest.raises(UserError, match="no node of the Ray cluster offers 'bench'") as error:
        cluster.survey()
    assert """--resources='{"bench": 1}'""" in error.value.hint
