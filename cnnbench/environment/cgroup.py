"""Control group limits of this process: versions 1 and 2, nested, in containers.

A limit applies to a group and all groups inside it, so the effective limit is the smallest from the
process's own group up to the mounted root. The usable cores are not read here; they follow from
the CPU affinity of the process.

Source: cgroups(7), Documentation/admin-guide/cgroup-v2.rst and cgroup-v1/ of the Linux kernel.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

_VERSION_2 = ""  # its line in /proc/self/cgroup has no controller
_UNLIMITED = 2**60  # without a memory limit, version 1 has a number near 2**63


@dataclass(frozen=True)
class ControlGroups:
    """Folders of the groups that contain this process, innermost first."""

    cpu: tuple[Path, ...] = ()
    memory: tuple[Path, ...] = ()

    def cpu_cores(self) -> float | None:
        """Return the CPU seconds per second that the quotas allow; None without a quota."""
        return min((quota for folder in self.cpu for quota in _quotas(folder)), default=None)

    def memory_bytes(self) -> int | None:
        """Return the memory limit in bytes; None without a limit."""
        texts = (
            _text(folder / name)
            for folder in self.memory
            for name in ("memory.max", "memory.limit_in_bytes")
        )
        limits = (int(text) for text in texts if text.isdecimal())
        return min((limit for limit in limits if limit < _UNLIMITED), default=None)

    def throttled(self) -> int:
        """Return how often a quota has throttled these groups so far; 0 if unknown."""
        lines = (line for folder in self.cpu for line in _text(folder / "cpu.stat").splitlines())
        fields = (line.partition(" ") for line in lines)
        return sum(int(n) for name, _, n in fields if name == "nr_throttled" and n.isdecimal())


def of_process(process: Path = Path("/proc/self")) -> ControlGroups:
    """Return the groups of a process, given its folder in ``/proc``."""
    paths = dict(_paths(_text(process / "cgroup")))
    cpu: list[Path] = []
    memory: list[Path] = []
    for controllers, root, mounted in _mounts(_text(process / "mountinfo")):
        for controller, folders in (("cpu", cpu), ("memory", memory)):
            key = controller if controller in controllers else _VERSION_2
            if key in controllers and key in paths:
                folders += _enclosing(mounted, root, paths[key])
    return ControlGroups(tuple(cpu), tuple(memory))


def _paths(text: str) -> Iterator[tuple[str, str]]:
    """Yield ``(controller, path in its hierarchy)`` from lines like ``4:cpu,cpuacct:/a/b``."""
    for line in text.splitlines():
        match line.split(":", 2):
            case [_, controllers, path]:
                yield from ((controller, path) for controller in controllers.split(","))


def _mounts(text: str) -> Iterator[tuple[set[str], str, Path]]:
    """Yield ``(controllers, mounted group, mount point)``; fields as in proc_pid_mountinfo(5)."""
    for line in text.splitlines():
        mount, _, kind = line.partition(" - ")
        fields, type_and_options = mount.split(), kind.split()
        if len(fields) < 5 or not type_and_options or type_and_options[0] not in _KINDS:
            continue
        is_2 = type_and_options[0] == "cgroup2"
        controllers = {_VERSION_2} if is_2 else set(type_and_options[-1].split(","))
        yield controllers, _unescaped(fields[3]), Path(_unescaped(fields[4]))


_KINDS = ("cgroup", "cgroup2")


def _enclosing(mounted: Path, root: str, path: str) -> list[Path]:
    """Return the folders of the group ``path`` and of its parents, up to the mount point.

    If the group is outside the mounted hierarchy, as in some containers, only the mount point.
    """
    own = PurePosixPath(path)
    inside = own.relative_to(root) if own.is_relative_to(root) else PurePosixPath()
    if ".." in inside.parts:
        inside = PurePosixPath()
    return [mounted / part for part in (inside, *inside.parents)]


def _quotas(folder: Path) -> Iterator[float]:
    """Yield the quota of one group in cores; version 2 has one file for it, version 1 two."""
    for fields in (
        _text(folder / "cpu.max").split(),
        [_text(folder / f"cpu.cfs_{name}_us").strip() for name in ("quota", "period")],
    ):
        if len(fields) == 2 and all(f.isdecimal() and int(f) for f in fields):
            yield int(fields[0]) / int(fields[1])


def _unescaped(path: str) -> str:
    for code, character in (("\\040", " "), ("\\011", "\t"), ("\\012", "\n"), ("\\134", "\\")):
        path = path.replace(code, character)
    return path


def _text(file: Path) -> str:
    try:
        return file.read_text(errors="replace").strip()
    except OSError:
        return ""
