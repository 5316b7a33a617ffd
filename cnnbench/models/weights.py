"""Load weights from files: explain a missing one, and name the network that others belong to."""

from __future__ import annotations

import os
import re
import tempfile
import zipfile
import zlib
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from math import prod
from pathlib import Path
from typing import Any

from cnnbench.data.downloads import short_timeouts
from cnnbench.errors import Unavailable, UserError, brief
from cnnbench.models.catalog import ENTRIES

Shape = tuple[int, ...]
_Arrays = dict[str, Shape]  # path in a weights file -> shape


class OtherParameter(UserError):
    """The weights are of the same network with another value of one parameter."""


_FETCH_FAILED = re.compile(r"URL fetch failure on (?P<url>\S+?):? ")
# A model's name, the last brackets in it, and what a message adds.
_LABEL = re.compile(r"(\S+?)(?:\[([^\[\]]*)\])?(?: .*)?$")
_HINT = "the architecture, input shape and classes must be those of the saved network"
# Other content of a weights file: the state of optimiser, metrics and random layers.
_NO_WEIGHTS = ("optimizer", "seed_generator", "metrics", "top_level_model_weights/optimizer")
_OF_TRANSFER = "inference_mode/"  # our layer around the backbone in transfer learning


def load(model: Any, file: Path, label: str, whole: Callable[[], Any] | None = None) -> None:
    """Load all of ``file`` into ``model``.

    Args:
        model: a ``keras.Model``.
        file: ``.weights.h5``, ``.h5`` or ``.keras``.
        label: the name of ``model`` in messages.
        whole: builds the network that ``model`` is the backbone of; the file may have its top, too.

    Raises:
        Unavailable: no such file.
        UserError: not a weights file, or one of another network, which is named if known.
    """
    if not file.is_file():
        raise Unavailable(f"no weights file {file} for {label}")
    try:
        with _weights_of(file) as weights:
            model.load_weights(str(weights))
        extra = _extra_layers(model, file, whole)
    except (
        *(ValueError, OSError, KeyError, TypeError, AttributeError),
        *(zipfile.BadZipFile, zlib.error),
    ) as error:
        raise _refusal(model, file, label, error) from error
    if extra:
        named = ", ".join(extra[:3]) + (f" and {len(extra) - 3} more" * (len(extra) > 3))
        what = f"{file} has weights for layers that {label} does not have: {named}"
        raise UserError(what, hint=_HINT)


@contextmanager
def _weights_of(file: Path) -> Iterator[Path]:
    """Yield the HDF5 file with the weights; in a ``.keras`` file it is a member."""
    if file.suffix != ".keras":
        yield file
        return
    with zipfile.ZipFile(file) as archive, tempfile.TemporaryDirectory() as folder:
        yield Path(archive.extract("model.weights.h5", folder))


def _arrays(file: Path) -> _Arrays:
    """Return the arrays in ``file``; raise `OSError` if it is not an HDF5 file."""
    import h5py

    found: _Arrays = {}

    def visit(path: str, item: Any) -> None:
        if isinstance(item, h5py.Dataset) and not any(part in path for part in _NO_WEIGHTS):
            found[path] = tuple(item.shape)

    with _weights_of(file) as weights, h5py.File(weights) as opened:
        opened.visititems(visit)
    return found


def _extra_layers(model: Any, file: Path, whole: Callable[[], Any] | None) -> list[str]:
    """Return layers in ``file`` that ``model`` does not have; Keras ignores them silently."""
    stored = _arrays(file)
    if len(stored) <= len(model.weights):
        return []
    own = _paths(model)
    if not own <= stored.keys():  # written by another Keras, with other names
        return []
    extra = stored.keys() - own - (_paths(whole()) if whole else set())
    return sorted({path.rpartition("/vars/")[0].rpartition("/")[2] or path for path in extra})


def _paths(model: Any) -> set[str]:
    """Return the paths of the weights of ``model`` in a file that it saves."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "own.weights.h5"
        model.save_weights(file)
        return set(_arrays(file))


def _refusal(model: Any, file: Path, label: str, error: Exception) -> UserError:
    """Return the error for weights that do not fit, which names the network that they belong to."""
    misfit = f"the weights in {file} do not fit {label}"
    try:
        stored = _arrays(file)
    except (OSError, KeyError, zipfile.BadZipFile):
        return UserError(f"{misfit}: {brief(error, 200)}", hint=_HINT)
    own, saved = Counter(tuple(weight.shape) for weight in model.weights), Counter(stored.values())
    theirs, ours = saved - own, own - saved
    is_of_transfer = any(_OF_TRANSFER in path for path in stored)
    if not is_of_transfer and (found := _differing_parameter(theirs, ours)):
        owner = _with_parameter(label, found)
        return OtherParameter(f"{misfit}: they belong to {owner}", hint=_HINT)
    return UserError(f"{misfit}: {_describe_owner(stored, own)}", hint=_HINT)


def _describe_owner(stored: _Arrays, own: Counter[Shape]) -> str:
    """Return which network the arrays of a file belong to, or what a network with ``own`` lacks."""
    if any(_OF_TRANSFER in path for path in stored):
        dense = _dense_kernels(stored)
        classes = f" with {dense[0][1]} classes" if len(dense) == 1 else ""
        return (
            f"they belong to a network trained with recipe: transfer{classes}; pass --recipe "
            "transfer --dataset NAME"
        )
    if others := [f"{other}[classes={c}]" for other, c in _networks_of_same_size(stored)]:
        return f"they have as many parameters as {' and '.join(others[:3])}"
    theirs, ours = Counter(stored.values()) - own, own - Counter(stored.values())
    if not theirs and ours:
        return f"{sum(ours.values())} of the network's {sum(own.values())} arrays are missing"
    return f"the file holds {len(stored)} arrays, the network has {sum(own.values())}"


def _with_parameter(label: str, parameter: str) -> str:
    """Return the model name in ``label`` with the parameter set, for example ``classes=5``."""
    match = _LABEL.match(label)
    name, given = match.groups() if match else (label, None)
    key = parameter.partition("=")[0]
    kept = [one for one in (given or "").split(",") if one and one.partition("=")[0] != key]
    return f"{name}[{','.join([*kept, parameter])}]"


def _differing_parameter(theirs: Counter[Shape], ours: Counter[Shape]) -> str:
    """Return the parameter that differs if only the classifier or the input does."""
    if theirs.total() != ours.total() or not 1 <= theirs.total() <= 2:
        return ""
    stored, built = (sorted(each.elements(), key=len) for each in (theirs, ours))
    pairs = list(zip(stored, built, strict=True))
    if any(len(a) != len(b) for a, b in pairs):
        return ""
    if all(a[:-1] == b[:-1] for a, b in pairs) and len({a[-1] for a, _ in pairs}) == 1:
        return f"classes={pairs[0][0][-1]}"
    (a, b), *others = pairs
    if not others and len(a) == 4 and (a[:2], a[3]) == (b[:2], b[3]):
        return f"input_shape=HxWx{a[2]}"
    return ""


def _dense_kernels(stored: _Arrays) -> list[Shape]:
    """Return the shapes of kernels of dense layers."""
    return [shape for shape in stored.values() if len(shape) == 2]


def _networks_of_same_size(stored: _Arrays) -> Iterator[tuple[str, int]]:
    """Yield architectures with as many parameters, and the classes that a dense layer suggests."""
    parameters = sum(map(prod, stored.values()))
    for features, classes in set(_dense_kernels(stored)):
        for entry in ENTRIES.values():
            if entry.params == parameters + (features + 1) * (entry.classes - classes):
                yield entry.name, classes


@contextmanager
def explain_failed_download(label: str) -> Iterator[None]:
    """Turn a failed download by Keras into one line: which file, and where to put it."""
    try:
        with short_timeouts():
            yield
    except Exception as error:
        file = _wanted_file(error)
        if file is None:
            raise
        fetch = _FETCH_FAILED.match(f"{error} ")
        source = f" (from {fetch['url']})" if fetch else ""
        raise Unavailable(
            f"{label}: {file.name} is not cached and cannot be downloaded; {_advice(file)}{source}"
        ) from error


def _advice(file: Path) -> str:
    """Return where to put a file, in words valid on every machine, as they end up in records."""
    cache = os.environ.get("KERAS_HOME")
    if cache and Path(cache).name == "keras" and file.is_relative_to(cache):
        return f"put it at keras/{file.relative_to(cache)} in the data folder"
    if file.is_relative_to(Path.home()):
        return f"put it at ~/{file.relative_to(Path.home())}"
    return f"put it at {file}"


def _wanted_file(error: Exception) -> Path | None:
    """Return where ``get_file`` looked for the file; its name can differ from the URL's."""
    trace = error.__traceback__
    while trace is not None:
        if trace.tb_frame.f_code.co_name == "get_file":
            names = trace.tb_frame.f_locals
            target = names.get("download_target") or names.get("fpath")
            return Path(target) if target else None
        trace = trace.tb_next
    return None
