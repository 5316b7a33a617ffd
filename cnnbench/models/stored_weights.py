"""Load weights from files; if they do not fit, report which network they belong to."""

from __future__ import annotations

import tempfile
import zipfile
import zlib
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any

from cnnbench.errors import UserError, brief

Shape = tuple[int, ...]
# Name, parameters and classes of networks that are known.
Known = Iterable[tuple[str, int | None, int]]

_HINT = "the architecture, input shape and classes must be those of the saved network"

# Other content of a weights file: the state of optimiser, metrics and random layers.
_NO_WEIGHTS = ("optimizer", "seed_generator", "metrics", "top_level_model_weights/optimizer")
_OF_TRANSFER = "inference_mode/"  # our layer around the backbone in transfer learning


@dataclass(frozen=True)
class Stored:
    """The arrays in a weights file: path in the file -> shape."""

    arrays: dict[str, Shape]

    @property
    def shapes(self) -> Counter[Shape]:
        return Counter(self.arrays.values())

    @property
    def parameters(self) -> int:
        return sum(map(prod, self.arrays.values()))


@contextmanager
def weights_of(file: Path) -> Iterator[Path]:
    """Yield the HDF5 file with the weights; in a ``.keras`` file it is a member."""
    if file.suffix != ".keras":
        yield file
        return
    with zipfile.ZipFile(file) as archive, tempfile.TemporaryDirectory() as folder:
        yield Path(archive.extract("model.weights.h5", folder))


def load(
    model: Any,
    file: Path,
    label: str,
    known: Known = (),
    whole: Callable[[], Any] | None = None,
) -> None:
    """Load all of ``file`` into ``model``.

    Args:
        model: a ``keras.Model``.
        file: ``.weights.h5``, ``.h5`` or ``.keras``.
        label: the name of ``model`` in messages.
        known: networks that the weights may belong to instead.
        whole: builds the network that ``model`` is the backbone of; the file may have its top, too.

    Raises:
        UserError: not a weights file, or one of another network, which is named if known.
    """
    try:
        with weights_of(file) as weights:
            model.load_weights(str(weights))
        extra = _surplus(model, file, whole)
    except (
        *(ValueError, OSError, KeyError, TypeError, AttributeError),
        *(zipfile.BadZipFile, zlib.error),
    ) as error:
        words = _meant(model, file, label, known) or brief(error, 200)
        raise UserError(f"the weights in {file} do not fit {label}: {words}", hint=_HINT) from error
    if extra:
        named = ", ".join(extra[:3]) + (f" and {len(extra) - 3} more" * (len(extra) > 3))
        what = f"{file} has weights for layers that {label} does not have: {named}"
        raise UserError(what, hint=_HINT)


def read(file: Path) -> Stored:
    """Return the arrays in ``file``, ``.weights.h5``, ``.h5`` or ``.keras``.

    Raises:
        OSError: not an HDF5 file.
    """
    import h5py

    found: dict[str, Shape] = {}

    def visit(path: str, item: Any) -> None:
        if isinstance(item, h5py.Dataset) and not any(part in path for part in _NO_WEIGHTS):
            found[path] = tuple(item.shape)

    with weights_of(file) as weights, h5py.File(weights) as opened:
        opened.visititems(visit)
    return Stored(found)


def _surplus(model: Any, file: Path, whole: Callable[[], Any] | None) -> list[str]:
    """Layers in ``file`` that ``model`` does not have; Keras ignores them silently."""
    stored = read(file)
    if len(stored.arrays) <= len(model.weights):
        return []
    own = _paths(model)
    if not own <= stored.arrays.keys():  # written by another Keras, with other names
        return []
    extra = stored.arrays.keys() - own - (_paths(whole()) if whole else set())
    return sorted({path.rpartition("/vars/")[0].rpartition("/")[2] or path for path in extra})


def _paths(model: Any) -> set[str]:
    """Return the paths of the weights of ``model`` in a file that it saves."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "own.weights.h5"
        model.save_weights(file)
        return set(read(file).arrays)


def _meant(model: Any, file: Path, label: str, known: Known) -> str:
    """Return which network the weights in ``file`` belong to; empty if it cannot be read.

    Args:
        model: the network that they do not fit.
        file: the weights file.
        label: the name of ``model``.
        known: networks that they may belong to.
    """
    try:
        stored = read(file)
    except (OSError, KeyError, zipfile.BadZipFile):
        return ""
    if any(_OF_TRANSFER in path for path in stored.arrays):
        classes = f" with {count} classes" if (count := _classes(stored)) else ""
        return (
            f"they belong to a network trained with recipe: transfer{classes}; pass --recipe "
            "transfer --dataset NAME"
        )
    own = Counter(tuple(weight.shape) for weight in model.weights)
    theirs, ours = stored.shapes - own, own - stored.shapes
    if found := _other_ends(theirs, ours):
        return f"they belong to {_with(label, found)}"
    if others := [f"{other}[classes={c}]" for other, c in _as_large(stored, known)]:
        return f"they have as many parameters as {' and '.join(others[:3])}"
    if not theirs and ours:
        return f"{sum(ours.values())} of the network's {sum(own.values())} arrays are missing"
    return f"the file holds {len(stored.arrays)} arrays, the network has {sum(own.values())}"


def _with(label: str, parameter: str) -> str:
    """Return the model name in ``label`` with the parameter set, for example ``classes=5``."""
    name, _, rest = label.partition("]")[0].partition("[")
    name, key = name.partition(" ")[0], parameter.partition("=")[0]
    kept = [one for one in rest.split(",") if one and one.partition("=")[0] != key]
    return f"{name}[{','.join([*kept, parameter])}]"


def _other_ends(theirs: Counter[Shape], ours: Counter[Shape]) -> str:
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


def _classes(stored: Stored) -> int:
    """Return the width of its only dense layer; 0 if it has none or several."""
    dense = [shape for shape in stored.arrays.values() if len(shape) == 2]
    return dense[0][1] if len(dense) == 1 else 0


def _as_large(stored: Stored, known: Known) -> Iterator[tuple[str, int]]:
    """Yield networks with as many parameters, and the classes that a dense layer suggests."""
    for features, classes in {shape for shape in stored.arrays.values() if len(shape) == 2}:
        for name, parameters, at_default in known:
            if parameters == stored.parameters + (features + 1) * (at_default - classes):
                yield name, classes
