"""A run started from the shell, its processes, and the invariants of its folder."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import uuid
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Literal

from cnnbench.record import Record
from cnnbench.results.journal import read
from tests import processes
from tests.conftest import ROOT
from tests.processes import children

STAND_IN = Path(__file__).with_name("stand_in")
_TOKEN = "CNNBENCH_CHAOS"
Victim = Literal["parent", "server", "worker"]

SUITE = """
name: tiny
models: [nets:net, "nets:net[classes=5]", "nets:net[classes=6]"]
probes:
  static: {batch_sizes: [1, 2]}
  latency: {runtimes: [graph], min_rounds: 2, max_rounds: 2}
limits: {timeout: 30min, memory: 2GiB}
"""
NETS = "def net(input_shape=(8, 8, 1), classes=4): ...\n"


@dataclass
class Ended:
    """Exit code and output of a command; the code is negative if a signal killed it."""

    code: int
    stdout: str
    stderr: str


@dataclass
class Workplace:
    """A folder with a suite, and the commands that run it there."""

    folder: Path
    suite: str = "tiny.yaml"
    out: str = "results"
    is_light: bool = True
    variables: dict[str, str] = field(default_factory=dict)
    token: str = field(default_factory=lambda: uuid.uuid4().hex)

    @classmethod
    def make(cls, folder: Path, variables: Mapping[str, str] = MappingProxyType({})) -> Workplace:
        """Create a folder with the tiny suite; commands run with ``variables`` set."""
        folder.mkdir(parents=True)
        (folder / "tiny.yaml").write_text(SUITE)
        (folder / "nets.py").write_text(NETS)
        return cls(folder, variables=dict(variables))

    @property
    def results(self) -> Path:
        return self.folder / self.out

    def start(self, *options: str) -> Command:
        """Start ``cnnbench run`` in its own session."""
        path = [str(STAND_IN), str(ROOT)] if self.is_light else [str(ROOT)]
        environment = {**os.environ, **self.variables, _TOKEN: self.token}
        environment["PYTHONPATH"] = os.pathsep.join(path)
        words = [sys.executable, "-m", "cnnbench", "run", self.suite, "--out", self.out, *options]
        return Command(
            self,
            subprocess.Popen(
                words,
                cwd=self.folder,
                env=environment,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
                start_new_session=True,
            ),
        )

    def run(self, *options: str) -> Ended:
        """Run the command to its end."""
        return self.start(*options).end()

    def journals(self) -> dict[Path, bytes]:
        """Return the bytes of every journal."""
        return {path: path.read_bytes() for path in self.results.glob("*/*/records.jsonl")}

    def processes(self) -> list[int]:
        """Return the living processes that were started from here, including orphans."""
        return processes.with_variable(_TOKEN, self.token)

    def remove(self) -> None:
        shutil.rmtree(self.folder)


@dataclass
class Command:
    """A command that is running."""

    workplace: Workplace
    process: subprocess.Popen[str]

    def pid(self, victim: Victim) -> int | None:
        """Return the process of one kind, or None."""
        if self.process.poll() is not None:
            return None
        if victim == "parent":
            return self.process.pid
        server = next(iter(children(self.process.pid)), None)
        if victim == "server" or server is None:
            return server
        return next(iter(children(server)), None)

    def wait_for(self, victim: Victim) -> int | None:
        """Return the process as soon as it exists, or None if the command ends first."""
        pid = None
        while pid is None and not self.is_over():
            pid = self.pid(victim)
        return pid

    def is_over(self) -> bool:
        return self.process.poll() is not None

    def end(self) -> Ended:
        """Wait for the end."""
        stdout, stderr = self.process.communicate(timeout=processes.HANGS_AFTER_S)
        return Ended(self.process.returncode, stdout, stderr)


def check_kept(before: dict[Path, bytes], after: dict[Path, bytes]) -> None:
    """Check that every complete line of each journal is still there, in its place."""
    for path, text in before.items():
        whole = text[: text.rfind(b"\n") + 1]
        assert after[path].startswith(whole), f"{path} lost something"


def check_journals(journals: dict[Path, bytes]) -> list[Record]:
    """Check that no record is duplicated or torn, except for an unfinished last line."""
    records: list[Record] = []
    for path, text in journals.items():
        header, found = read(path)
        assert header.plan, path
        for line in text[: text.rfind(b"\n") + 1].splitlines():
            json.loads(line)
        oks = Counter(record.key for record in found if record.status == "ok")
        assert not [key for key, count in oks.items() if count > 1], f"{path}: an ok twice"
        tries = Counter((record.key, record.attempt) for record in found)
        assert not [key for key, count in tries.items() if count > 1], f"{path}: a try twice"
        records += found
    return records
