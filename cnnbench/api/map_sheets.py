"""Sheets of the filters of a layer, and of the feature maps that layers make of images."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from cnnbench import files
from cnnbench.analysis import standard_keras
from cnnbench.analysis.building import one_layer_model
from cnnbench.api import fitted_images, sheets
from cnnbench.api.fitted_images import ImageReader
from cnnbench.api.image_files import ImageFiles
from cnnbench.api.sheets import Sheet
from cnnbench.data import drawing, sample_pictures
from cnnbench.data.pictures import Fit, Images, Size, sides
from cnnbench.errors import UserError
from cnnbench.models import feature_maps
from cnnbench.models.model import Model
from cnnbench.tasks.task import TASKS
from cnnbench.text import plural, shape_text

_SHOWN_PX = 160  # of a filter or a map; smaller ones are enlarged


@dataclass(frozen=True)
class Pictures:
    """Image files, read.

    Attributes:
        names: their file names, without folders.
        images: uint8 ``(n, h, w, 3)``, of one size.
        notes: remarks on how they were interpreted.
    """

    names: list[str]
    images: Images
    notes: tuple[str, ...]


def read(images: Sequence[str], size: Size | None) -> Pictures:
    """Read image files in colour, cropped to one size: by default that of the first.

    Raises:
        UserError: one cannot be read.
    """
    paths = [sample_pictures.path(name) for name in images]
    if size is None:
        first = fitted_images.upright(paths[0], 255)
        size = first.height, first.width
    pixels, notes = _fitted(paths, (*sides(size), 3), "crop")
    names = [Path(name).name for name in images]
    return Pictures(names, pixels.astype(np.uint8), tuple(notes))


def of_filters(pictures: Pictures, directions: Sequence[str]) -> Sheet:
    """Return the images, each with the maps that hand-made filters make of it."""
    kernel = feature_maps.hand_made(directions, 3)
    with standard_keras():
        network = feature_maps.convolution(kernel, pictures.images.shape[1:])
        maps = feature_maps.maps(network, network.layers[-1], pictures.images / np.float32(255))
    shown, captions = [], []
    for name, image, stack in zip(pictures.names, pictures.images, maps, strict=True):
        shown += sheets.enlarged(image[None], _SHOWN_PX)
        shown += sheets.enlarged(sheets.stretched(np.moveaxis(stack, -1, 0)), _SHOWN_PX)
        captions += [name, *directions]
    side = kernel.shape[0]
    what = f"{plural(len(maps), 'image')}, feature maps of filters of {side} x {side} px"
    return Sheet(drawing.sheet(shown, 1 + len(directions), captions), what, pictures.notes)


def of_one_layer(pictures: Pictures, text: str, count: int) -> Sheet:
    """Return what one layer, written as ``"MaxPooling2D(2)"``, makes of images in 0..1.

    A layer that keeps three channels gives pictures in colour, any other feature maps. Its weights
    are random.
    """
    with standard_keras():
        feature_maps.set_seed()
        network = one_layer_model(text, tuple(pictures.images.shape[1:]))
        layer = network.layers[-1]
        maps = feature_maps.maps(network, layer, pictures.images / np.float32(255))
    what = f"{text} on {plural(len(maps), 'image')}: {shape_text(maps.shape)}"
    if maps.shape[-1] == 3 and not layer.weights:
        colours = np.rint(np.clip(maps, 0, 1) * 255).astype(np.uint8)
        shown = sheets.enlarged(colours)
        picture = drawing.sheet(shown, sheets.columns(len(shown)), pictures.names)
        return Sheet(picture, what, pictures.notes)
    return Sheet(_by_image(maps, pictures.names, count), what, pictures.notes)


def of_model(
    model: Model,
    images: Sequence[str],
    layer_name: str | None,
    weights: str | None,
    count: int,
    data_dir: Path | None,
) -> Sheet:
    """Return the feature maps of a layer of a network; without images its filters.

    Args:
        model: the network; its weights are those that it comes with, else random.
        images: image files.
        layer_name: of the layer; by default the first that has filters.
        weights: ``imagenet`` or a file for the whole network.
        count: filters, or maps of each image, at most.
        data_dir: its ``weights/`` is searched too.

    Raises:
        UserError: no such layer or file, or the layer has no maps or filters.
        Unavailable: weights that are not on this machine.
    """
    if len(model.input_shape) != 3:
        raise UserError(f"the input of {model.label} is not known as an image")
    paths = [sample_pictures.path(name) for name in images]
    fit = model.entry.fit or TASKS.find(model.task).fit
    pixels, notes = _fitted(paths, model.input_shape, fit) if images else (None, [])
    with standard_keras():
        feature_maps.set_seed()
        network = model.build(weights=_weights(weights, data_dir))
        layer = feature_maps.layer_of(network, layer_name)
        if weights is None and not model.is_trained:
            notes = [*notes, f"the weights of {model.label} are random; give --weights"]
        where = f"layer '{layer.name}' of {model.label}"
        if pixels is None:
            return _filters(feature_maps.filters(layer), where, count, notes)
        maps = feature_maps.maps(network, layer, model.preprocess(pixels))
    names = [Path(name).name for name in images]
    what = f"feature maps of {where}: {shape_text(maps.shape)}"
    return Sheet(_by_image(maps, names, count), what, tuple(notes))


def _fitted(
    paths: Sequence[Path], shape: tuple[int, ...], fit: Fit
) -> tuple[np.ndarray, list[str]]:
    """Return image files as float32 ``(n, h, w, c)`` in 0..255, and remarks on them."""
    reader = ImageReader(ImageFiles(tuple(paths)), shape, fit)
    (batch,) = reader.batches(len(paths))
    return batch.pixels, reader.notes()


def _weights(asked: str | None, data_dir: Path | None) -> str | Path | None:
    if asked is None or asked == "imagenet":
        return asked
    folders = files.weights_folders([Path()], data_dir)
    found = files.find(asked, folders)
    if found is None or not found.is_file():
        looked = " or ".join(str(folder / asked) for folder in folders)
        raise UserError(f"no weights file {asked}", "--weights", f"put it at {looked}")
    return found


def _filters(kernel: np.ndarray, where: str, count: int, notes: Sequence[str]) -> Sheet:
    """Return a sheet of filters: in colour those of three channels, else channel by channel."""
    _, _, channels, filters = kernel.shape
    what = f"filters of {where}: {shape_text(kernel.shape)}"
    if channels == 3:
        pairs: list[tuple[int, int]] = []
        chosen = np.moveaxis(kernel, -1, 0)[:count]
        captions = [str(number) for number in range(len(chosen))]
    else:
        pairs = [(one, channel) for one in range(filters) for channel in range(channels)][:count]
        chosen = np.stack([kernel[:, :, channel, one] for one, channel in pairs])
        captions = [f"{one}" if channels == 1 else f"{one}, channel {c}" for one, c in pairs]
    shown = sheets.enlarged(sheets.stretched(chosen), _SHOWN_PX)
    return Sheet(drawing.sheet(shown, sheets.columns(len(shown)), captions), what, tuple(notes))


def _by_image(maps: np.ndarray, names: Sequence[str], count: int) -> Any:
    """Return a sheet with the first maps of each image, each from its least to its largest."""
    shown, captions = [], []
    most = min(count, maps.shape[-1])
    for name, stack in zip(names, maps, strict=True):
        shown += sheets.enlarged(sheets.stretched(np.moveaxis(stack[..., :most], -1, 0)), _SHOWN_PX)
        captions += [f"{name}, {number}" for number in range(most)]
    return drawing.sheet(shown, sheets.columns(most), captions)
