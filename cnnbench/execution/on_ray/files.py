"""Files that travel with a job: by content hash, from the driver to the node and back.

On the driver a job reads and writes the folder of its model's artifacts, and reads the suite's own
modules and files. On the node each job gets a folder of its own with copies of these files; what it
has written there goes back. A node keeps the contents by their hash, so that each travels once.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from cnnbench.errors import UserError
from cnnbench.execution.job import JobRequest
from cnnbench.models import registry, source_files
from cnnbench.models.model import Model
from cnnbench.models.sources.python_builder import Builder

_RUN, _SEARCH = "run", "search"
_KEPT_S = 7 * 24 * 3600.0  # contents that no job has used for so long are removed


@dataclass(frozen=True)
class Luggage:
    """Files of one job.

    Attributes:
        hashes: path in the job's folder on the node -> sha256.
        sources: sha256 -> a file on the driver with that content.
        search_path: the request's, as paths in the job's folder.
    """

    hashes: Mapping[str, str]
    sources: Mapping[str, Path]
    search_path: tuple[str, ...]


class Hashes:
    """Hashes of files; each is read again only if it has changed."""

    def __init__(self) -> None:
        self._known: dict[Path, tuple[tuple[int, int], str]] = {}

    def of(self, file: Path) -> str:
        """Return the sha256 of a file."""
        found = file.stat()
        stamp = found.st_mtime_ns, found.st_size
        known = self._known.get(file)
        if known is None or known[0] != stamp:
            known = stamp, hash_of(file)
            self._known[file] = known
        return known[1]


def hash_of(file: Path) -> str:
    """Return the sha256 of a file."""
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def packed(request: JobRequest, hashes: Hashes) -> Luggage:
    """Return the files that a job needs and the node may not have."""
    files = {f"{_RUN}/{name}": file for name, file in _artifacts(request)}
    roots = list(dict.fromkeys(Path(folder) for folder in request.search_path))
    for file, root in _own_files(request, roots):
        if root not in roots:
            roots.append(root)
        files[f"{_SEARCH}/{roots.index(root)}/{file.relative_to(root).as_posix()}"] = file
    found = {name: hashes.of(file) for name, file in files.items()}
    search_path = tuple(f"{_SEARCH}/{place}" for place in range(len(roots)))
    return Luggage(found, {found[name]: file for name, file in files.items()}, search_path)


def _artifacts(request: JobRequest) -> Iterator[tuple[str, Path]]:
    """Yield the files of the job's model in the run: ``(path in the run, file)``."""
    for file in sorted(Path(request.artifacts).parent.rglob("*")):
        if file.is_file() and not file.is_symlink():
            yield file.relative_to(_base(request)).as_posix(), file


def _base(request: JobRequest) -> Path:
    """Return the run's folder; outside of a run, the one around the artifacts."""
    return Path(request.run) if request.run else Path(request.artifacts).parent


def _own_files(request: JobRequest, roots: Iterable[Path]) -> Iterator[tuple[Path, Path]]:
    """Yield files of the suite that a job may read, each with the folder it is found from.

    They are the modules of the model's builder, and files that the model's name or its setting
    names by a relative path. A folder with a data set does not travel.
    """
    with suppress(UserError):  # the job itself will report it
        model: Model | None = registry.resolve(request.model, tuple(roots))
        while model is not None:
            if isinstance(model.factory, Builder) and model.factory.hashed:
                location = model.factory.location
                yield from source_files.sources(location.file, *location.folders).items()
            model = model.backbone
    for text in {request.model.partition("[")[0], *_texts(request.setting)}:
        for root in roots:
            file = root / text
            if text and not Path(text).is_absolute() and ".." not in Path(text).parts:
                with suppress(OSError, ValueError):
                    if file.is_file():
                        yield file, root
                        break


def _texts(value: Any) -> Iterator[str]:
    """Yield all texts in a value of JSON."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for item in value.values():
            yield from _texts(item)
    elif isinstance(value, list | tuple):
        for item in value:
            yield from _texts(item)


class Store:
    """A node's folder: contents by hash, generated data, and the folders of running jobs.

    It lies in the folder for temporary files, and only this user can read it.
    """

    def __init__(self, folder: Path | None = None) -> None:
        self.folder = folder or Path(tempfile.gettempdir()) / f"cnnbench-{os.getuid()}"
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if self.folder.stat().st_uid != os.getuid() or self.folder.is_symlink():
            raise PermissionError(f"{self.folder} belongs to somebody else")
        self.cache = self._made("cache")
        self._contents = self._made("contents")
        self._jobs = self._made("jobs")

    def _made(self, name: str) -> Path:
        (self.folder / name).mkdir(exist_ok=True)
        return self.folder / name

    def has(self, sha256: str) -> bool:
        """Return whether a content is here, and keep it for another while."""
        with suppress(OSError):
            os.utime(self._contents / sha256)
            return True
        return False

    def add(self, sha256: str, content: bytes) -> None:
        """Keep a content.

        Raises:
            ValueError: it has another hash.
        """
        if hashlib.sha256(content).hexdigest() != sha256:
            raise ValueError(f"a file arrived with another content than {sha256}")
        staging = self._contents / f".{sha256}.{os.getpid()}"
        staging.write_bytes(content)
        staging.rename(self._contents / sha256)

    def job_folder(self) -> Path:
        """Make the folder of a job of this process; remove those of processes that were killed."""
        for folder in self._jobs.iterdir():
            pid = folder.name.partition("-")[0]
            if pid.isdigit() and not Path(f"/proc/{pid}").exists():
                shutil.rmtree(folder, ignore_errors=True)
        return Path(tempfile.mkdtemp(prefix=f"{os.getpid()}-", dir=self._jobs))

    def remove_old(self) -> None:
        """Remove the contents that no job has used for a week."""
        for file in self._contents.iterdir():
            with suppress(OSError):
                if time.time() - file.stat().st_mtime > _KEPT_S:
                    file.unlink()

    def lay(self, hashes: Mapping[str, str], folder: Path) -> None:
        """Copy contents into a job's folder.

        Raises:
            FileNotFoundError: one is not here.
            ValueError: a path leads out of the folder.
        """
        for name, sha256 in hashes.items():
            file = _inside(folder, name)
            file.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(self._contents / sha256, file)


def relocated(
    request: JobRequest, search_path: Iterable[str], folder: Path, cache: Path
) -> JobRequest:
    """Return a request with the paths that it has in its folder on the node."""
    artifacts, scratch = (
        folder / _RUN / Path(path).relative_to(_base(request))
        for path in (request.artifacts, request.scratch)
    )
    for path in (artifacts, scratch, folder / "logs"):
        path.mkdir(parents=True, exist_ok=True)
    places = [folder / name for name in search_path]
    for place in places:
        place.mkdir(parents=True, exist_ok=True)
    return replace(
        request,
        search_path=tuple(map(str, places)),
        artifacts=str(artifacts),
        scratch=str(scratch),
        log=str(folder / "logs" / "job.log"),
        run=str(folder / _RUN) if request.run else None,
        cache=str(cache) if request.cache else None,
    )


def written(folder: Path, before: Mapping[str, str]) -> Iterator[tuple[str, str, Path]]:
    """Yield what a job has written into the run: ``(path in the run, sha256, file)``."""
    run = folder / _RUN
    for file in sorted(run.rglob("*")):
        if file.is_file() and not file.is_symlink():
            name, sha256 = file.relative_to(run).as_posix(), hash_of(file)
            if before.get(f"{_RUN}/{name}") != sha256:
                yield name, sha256, file


def removed(folder: Path, before: Mapping[str, str]) -> list[str]:
    """Return the files of the run that a job has removed, as paths in the run."""
    names = (name.removeprefix(f"{_RUN}/") for name in before if name.startswith(f"{_RUN}/"))
    return [name for name in names if not (folder / _RUN / name).exists()]


def received(request: JobRequest, name: str) -> Path:
    """Return where a file that a job has written belongs on the driver.

    Raises:
        ValueError: not in the folder of the artifacts of its model.
    """
    file = _inside(_base(request), name)
    if not file.is_relative_to(Path(request.artifacts).parent):
        raise ValueError(f"{name} is not among the artifacts of {request.model}")
    return file


def _inside(folder: Path, name: str) -> Path:
    if Path(name).is_absolute() or ".." in Path(name).parts:
        raise ValueError(f"'{name}' leads out of its folder")
    return folder / name
