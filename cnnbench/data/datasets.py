"""Data sets by name: facts for planning, and how to read them.

A data set is one file with a `DataSet` in it and one line in `DATASETS`; another package adds one
by an entry point of the group ``cnnbench.datasets``. The module must be light to import: `load`
imports what it needs.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import TYPE_CHECKING, Protocol, runtime_checkable

from cnnbench import named
from cnnbench.errors import UserError, nearest
from cnnbench.named import Value
from cnnbench.plugins import Registry

if TYPE_CHECKING:
    from cnnbench.data.annotations import Kind
    from cnnbench.data.pictures import Fit, Size, Splits


@dataclass(frozen=True)
class FileLocation:
    """Location of the files of a data set.

    Attributes:
        below: their folder relative to a data folder (``--data-dir``).
        variable, home: the environment variable and the default of the library's own folder.
        below_home: their folder relative to that.
        evidence: a glob pattern that matches a file only if the data set is complete.
    """

    below: str
    variable: str
    home: str
    below_home: str
    evidence: str


@dataclass(frozen=True)
class Facts:
    """Facts about a data set that planning needs.

    Attributes:
        px: shorter side of its images.
        classes: number of classes; 0 if it is known only after reading.
        training_images: number of training images, unless a suite asks for fewer.
        has_validation: it has an official validation split.
        location: where its files are; None if it is part of an installed package.
        packaged: number of training and test images included in cnnbench: the first of the
            stratified draw.
        annotations: what is known of its images; a task can only use a data set that has what it
            needs.
    """

    px: int
    classes: int
    training_images: int
    has_validation: bool = False
    location: FileLocation | None = None
    packaged: tuple[int, int] = (0, 0)
    annotations: frozenset[Kind] = frozenset({"class"})


@dataclass(frozen=True)
class Request:
    """Request for images of a data set.

    Attributes:
        name: in `DATASETS`, with a path where it takes one (``folder:PATH``).
        size: of the images, in px: the side of squares, or ``(height, width)``.
        channels: 1 or 3.
        train_examples: number of training images, stratified, or None for all.
        test_examples: likewise.
        validation: share of the training images held out where there is no official split.
        sha256: hash of the user's files when the suite was planned; empty if unknown.
        trains: a model is trained; otherwise every usable image is for evaluation.
        fit: how pictures of another shape are brought to ``size``.
        cache: folder where generated images are kept for the next time, or None.
    """

    name: str
    size: Size = 224
    channels: int = 3
    train_examples: int | None = None
    test_examples: int | None = None
    validation: float = 0.0
    sha256: str = ""
    trains: bool = True
    fit: Fit = "crop"
    cache: Path | None = None


class DataSet(Protocol):
    """A source of images with a class or objects (`pictures.AnnotatedPictures`) each."""

    @property
    def facts(self) -> Facts:
        """Facts known without reading it."""

    def load(self, request: Request, data_dir: Path | None, search_path: Sequence[Path]) -> Splits:
        """Return its splits; images are decoded only when they are read.

        A data set may return just the images that ``request`` asks for; `loading.load` draws them
        from what is returned.

        Args:
            request: what is asked for.
            data_dir: holds ``keras/`` and ``tensorflow_datasets/``; None for the libraries' own.
            search_path: folders in which a relative path is looked up, in this order.

        Raises:
            Unavailable: the data is missing and cannot be downloaded; says how to provide it.
            JobFailed: it cannot be used, or has changed since the suite was planned.
        """


@runtime_checkable
class Adjustable(DataSet, Protocol):
    """A data set with parameters: ``scenes[objects=1,px=64]``."""

    def adjusted(self, parameters: Mapping[str, Value]) -> DataSet:
        """Return the data set with parameters that were given.

        Raises:
            UserError: a parameter that it does not take (the nearest is given), or its value.
        """


@dataclass(frozen=True)
class Located:
    """The user's files when a suite is planned.

    Attributes:
        sha256: of names and contents; empty if nothing was found.
        classes: number of classes with enough files; 0 if nothing was found.
        notes: remarks for the plan.
        annotations: what is known of its images; None if nothing was found.
    """

    sha256: str = ""
    classes: int = 0
    notes: tuple[str, ...] = ()
    annotations: frozenset[Kind] | None = None


@runtime_checkable
class LocalDataSet(DataSet, Protocol):
    """A data set of the user's files, whose hash is part of a cell's key."""

    def locate(self, search_path: Sequence[Path]) -> Located:
        """Find the files and hash them, without reading an image."""


@runtime_checkable
class LocalFormat(Protocol):
    """A layout of the user's files: ``folder:PATH`` is the format ``folder`` at ``PATH``."""

    def at(self, path: str) -> LocalDataSet:
        """Return the data set at ``path``."""


DATASETS: Registry[DataSet | LocalFormat] = Registry(
    "cnnbench.datasets",
    "data set",
    {
        "fashion_mnist": "cnnbench.data.fashion_mnist:FASHION_MNIST",
        "digits": "cnnbench.data.digits:DIGITS",
        "scenes": "cnnbench.data.scenes:SCENES",
        "tf_flowers": "cnnbench.data.tf_flowers:TF_FLOWERS",
        "oxford_iiit_pet": "cnnbench.data.tfds_annotated:OXFORD_IIIT_PET",
        "voc": "cnnbench.data.tfds_annotated:VOC",
        "coco": "cnnbench.data.tfds_annotated:COCO",
        "folder": "cnnbench.data.folder:FOLDER",
    },
)

# Assumed if only the name is known, as in a table from another machine.
UNKNOWN = Facts(px=224, classes=0, training_images=3_000)


def find(name: str, search_path: Sequence[Path] = ()) -> DataSet:
    """Return the data set ``name``: ``digits``, ``scenes[objects=1]`` or ``folder:PATH``.

    Raises:
        UserError: there is no such data set, or the path or a parameter is missing or unexpected.
            The hint is the nearest name, or ``folder:NAME`` where ``NAME`` is a folder in
            ``search_path``.
    """
    kind, colon, path = name.partition(":")
    parameters: dict[str, Value] = {}
    if kind.endswith("]"):
        written = named.parse(kind, "data set", "scenes[objects=1]")
        kind, parameters = written.name, dict(written.parameters)
    if kind not in DATASETS:
        is_folder = any((parent / name).is_dir() for parent in search_path)
        hint = f"did you mean folder:{name}?" if is_folder else nearest(kind, DATASETS)
        raise UserError("unknown data set", hint=hint or f"one of: {', '.join(shown_names())}")
    found = DATASETS[kind]
    if isinstance(found, LocalFormat):
        if not path:
            raise UserError(f"needs a path, as {kind}:photos")
        return found.at(path)
    if colon:
        raise UserError(f"{kind} takes no path", hint=f"write {kind}")
    if not parameters:
        return found
    if not isinstance(found, Adjustable):
        raise UserError(f"{kind} takes no parameters", hint=f"write {kind}")
    return found.adjusted(parameters)


def canonical(name: str) -> str:
    """Return the name with its parameters in one order and without spaces."""
    has_parameters = name.endswith("]") and ":" not in name
    return str(named.parse(name, "data set", "scenes[objects=1]")) if has_parameters else name


def facts_of(name: str) -> Facts:
    """Return the facts of a data set, or `UNKNOWN` if there is none of that name."""
    try:
        return find(name).facts
    except UserError:
        return UNKNOWN


def fixed() -> Iterator[tuple[str, Facts]]:
    """Yield name and facts of every data set, except formats of the user's files."""
    for name, found in DATASETS.items():
        if not isinstance(found, LocalFormat):
            yield name, found.facts


def shown_names() -> list[str]:
    """Return the names for messages, with ``PATH`` if a path is needed."""
    return [
        f"{name}:PATH" if isinstance(found, LocalFormat) else name
        for name, found in DATASETS.items()
    ]


def short_name(name: str) -> str:
    """Return the name in a column: for the user's files, the last part of their path."""
    return PurePath(name.partition(":")[2] or name).name
