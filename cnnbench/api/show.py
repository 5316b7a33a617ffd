"""`show`: a picture of what a name stands for: examples of a data set, filters, feature maps."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any, get_args

from pydantic import ValidationError

from cnnbench import files, named
from cnnbench.api import example_sheets, map_sheets
from cnnbench.api.example_sheets import Split
from cnnbench.api.sheets import Sheet
from cnnbench.data import drawing, sample_pictures
from cnnbench.data.augmentation import Augment
from cnnbench.data.datasets import DATASETS
from cnnbench.data.pictures import Size
from cnnbench.errors import UserError, nearest, nearest_or_all
from cnnbench.models import registry
from cnnbench.models.feature_maps import DIRECTIONS
from cnnbench.text import pydantic_message

# Formats that Pillow writes everywhere and that keep colours; PNG is the default.
FORMATS = {
    "": "PNG",
    ".png": "PNG",
    ".jpg": "JPEG",
    ".jpeg": "JPEG",
    ".webp": "WEBP",
    ".bmp": "BMP",
    ".tif": "TIFF",
    ".tiff": "TIFF",
}
_EXAMPLES, _AUGMENTED = 16, 4  # in a sheet, unless the caller says how many
_OPTIONS = {
    "data set": ("split", "size", "count", "augment"),
    "model": ("images", "layer", "weights", "count"),
    "image": ("images", "size", "augment", "filters", "layer", "count"),
}


def show(
    name: str,
    out: Path | str,
    *,
    images: Sequence[str | Path] = (),
    count: int | None = None,
    split: Split | None = None,
    size: Size | None = None,
    augment: str | None = None,
    filters: Sequence[str] = (),
    layer: str | None = None,
    weights: str | None = None,
    data_dir: Path | str | None = None,
) -> Sheet:
    """Write a picture of a data set, a model or images to a file, and return it.

    - Of a data set: a sheet of annotated examples; with ``augment`` each with random variants.
    - Of a model: the filters of a layer, or with ``images`` the feature maps that it makes of them.
    - Of images: with ``augment`` random variants, with ``filters`` the feature maps of hand-made
      filters, with ``layer`` the output of a single layer; else the images themselves.

    Args:
        name: a data set as in a suite (``scenes``, ``folder:PATH``), a model, or an image file;
            ``china.jpg`` and ``flower.jpg`` are the photographs of scikit-learn.
        out: the picture file, in an existing folder; its ending says the format, PNG without one.
        images: image files, after a model or a first image.
        count: number of examples, filters, or maps of each image; all if there are fewer. By
            default 16; 4 examples with ``augment``. Of images, only with ``layer``.
        split: of the data set: ``train``, the default, or ``test``.
        size: to which examples or images are fitted, in px: a side, or height and width for images;
            by default that of the data set, or of the first image.
        augment: settings as in the accuracy probe: ``"flip=horizontal,rotation=0.05"``.
        filters: ``vertical`` and ``horizontal``.
        layer: name of a layer of the model; for images a layer as text, ``"MaxPooling2D(2)"``.
        weights: of the model: ``imagenet`` or a file; by default its own, else random ones.
        data_dir: folder with ``keras/``, ``tensorflow_datasets/`` and ``weights/``; by default that
            of ``CNNBENCH_DATA``.

    Raises:
        UserError: no such thing, an option that it does not take, or a file that cannot be read or
            written.
        Unavailable: data or weights are missing and cannot be downloaded.
        JobFailed: the data cannot be used.
    """
    file = Path(out)
    picture_format = _checked_format(file)
    kind = kind_of(name)
    files_given = tuple(map(str, images))
    given: dict[str, Any] = {
        "images": files_given,
        "count": count,
        "split": split,
        "size": size,
        "augment": augment,
        "filters": tuple(filters),
        "layer": layer,
        "weights": weights,
    }
    _check_options(kind, given)
    changes = None if augment is None else _parsed(augment)
    folder = files.data_folder(data_dir)
    if kind == "data set":
        if not (size is None or isinstance(size, int)):
            raise UserError("examples are square", "size", "give one side")
        most = count or (_EXAMPLES if changes is None else _AUGMENTED)
        found = example_sheets.examples(name, most, split or "train", size, folder, changes)
    elif kind == "model":
        model = registry.resolve(name, [Path.cwd()])
        most = count or _EXAMPLES
        found = map_sheets.of_model(model, files_given, layer, weights, most, folder)
    else:
        found = _of_images(given, [name, *files_given], changes)
    drawing.write(found.picture, file, picture_format, "choose a smaller --count")
    return found


def kind_of(name: str) -> str:
    """Return ``data set``, ``model`` or ``image``, by the form of a name.

    Raises:
        UserError: it is none of them.
    """
    base = re.split(r"[\[:]", name, maxsplit=1)[0]
    if base in DATASETS:
        return "data set"
    if Path(name).suffix.lower() in list(FORMATS)[1:]:
        if not files.check_path(sample_pictures.path(name).is_file):
            known = nearest(name, sample_pictures.NAMES)
            raise UserError(f"no image '{name}'", hint=known)
        return "image"
    try:
        registry.resolve(name, [Path.cwd()])
    except UserError as error:
        if hint := nearest(base, DATASETS):
            raise UserError("unknown data set", f"'{name}'", hint) from None
        raise error
    return "model"


def _of_images(given: dict[str, Any], names: Sequence[str], augment: Augment | None) -> Sheet:
    """Return the sheet for image files."""
    chosen = [name for name in ("augment", "filters", "layer") if given[name] not in (None, ())]
    if len(chosen) > 1:
        raise UserError(f"{' and '.join(chosen)} exclude each other", hint="give one of them")
    if given["count"] is not None and chosen != ["layer"]:
        what = f"images with {chosen[0]} take no count" if chosen else "images take no count"
        raise UserError(what, hint="count limits the maps of a layer; name fewer images")
    pictures = map_sheets.read(names, given["size"])
    if given["filters"]:
        return map_sheets.of_filters(pictures, given["filters"])
    if given["layer"] is not None:
        return map_sheets.of_one_layer(pictures, given["layer"], given["count"] or _EXAMPLES)
    return example_sheets.of_images(pictures.names, pictures.images, augment, pictures.notes)


def _check_options(kind: str, given: dict[str, Any]) -> None:
    """Refuse options that say nothing about a thing of this kind."""
    allowed = _OPTIONS[kind]
    for option, value in given.items():
        if value not in (None, ()) and option not in allowed:
            kinds = [f"a {other}" for other, options in _OPTIONS.items() if option in options]
            words = f"a {kind} takes no {option}", f"{option} is for {' or '.join(kinds)}"
            what, hint = (text.replace("a image", "an image") for text in words)
            raise UserError(what, hint=hint)
    for direction in given["filters"]:
        if direction not in DIRECTIONS:
            hint = nearest_or_all(direction, DIRECTIONS)
            raise UserError(f"unknown filter '{direction}'", "filters", hint)
    if given["count"] is not None and given["count"] < 1:
        raise UserError(f"{given['count']} is no number of pictures", "count", "at least 1")
    if given["split"] not in (None, *get_args(Split)):
        raise UserError(f"unknown split '{given['split']}'", "split", "train or test")


def _parsed(text: str) -> Augment:
    """Return the augmentation written as ``flip=horizontal,rotation=0.05``.

    Raises:
        UserError: an unknown setting, or a value that it does not take.
    """
    settings = dict(named.parse(f"augment[{text}]", "augmentation", "flip=horizontal").parameters)
    for name in settings:
        if name not in Augment.model_fields:
            hint = nearest_or_all(name, Augment.model_fields)
            raise UserError(f"unknown setting '{name}'", "augment", hint)
    try:
        return Augment.model_validate(settings)
    except ValidationError as error:
        raise UserError(pydantic_message(error), "augment") from None


def _checked_format(file: Path) -> str:
    """Return the format to write; checked before a data set is read, which takes long.

    Raises:
        UserError: it is unknown, or the folder does not exist.
    """
    if files.check_path(file.is_dir):
        raise UserError("is a folder", str(file), "name a picture file")
    if not files.check_path(file.parent.is_dir):
        raise UserError(f"the folder {file.parent} does not exist", str(file), "create it first")
    found = FORMATS.get(file.suffix.lower())
    if found is None:
        known = ", ".join(filter(None, FORMATS))
        raise UserError(f"unknown type of picture '{file.suffix}'", str(file), f"one of: {known}")
    return found
