"""Example pictures of an evaluation: a few test images with their truth and what was predicted.

They are files of the run, ``artifacts/<cell>/examples/seed-0-image-12.png``, which ``report.html``
embeds. The same test images are chosen for every network.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass, replace
from hashlib import sha256
from typing import Any

import numpy as np
from PIL import Image

from cnnbench import files
from cnnbench.data import drawing
from cnnbench.data.drawing import AnyMark
from cnnbench.errors import brief, is_out_of_memory
from cnnbench.probes.interface import Context
from cnnbench.tasks.objective import Arrays, Objective, selected

COUNT = 6
MOST_BYTES = 30_000  # of a file
PANELS = ("picture", "truth", "prediction")

# Side in px and number of colours, tried in this order until the file is small enough.
_QUALITIES = ((224, 128), (224, 64), (192, 48), (160, 32), (128, 24), (96, 16), (64, 8))


@dataclass(frozen=True)
class Evaluated:
    """Answers and truth of the test images, and those images that are shown.

    Attributes:
        rows: the test images that are shown.
        images: these images, uint8 ``(h, w, 1 or 3)`` each.
        answers, targets: of all test images.
    """

    rows: Sequence[int]
    images: Sequence[np.ndarray]
    answers: Arrays
    targets: Arrays


def places(count: int) -> list[int]:
    """Return which of ``count`` test images are shown: evenly spaced, the first among them."""
    return sorted({number * count // COUNT for number in range(COUNT)}) if count else []


def kept(found: Evaluated, objective: Objective, encoding: str, context: Context) -> dict[str, Any]:
    """Draw the example pictures into the artifacts of a job; return details for its record.

    Returns:
        ``examples``: number of each test image, path relative to the run's folder, and hash. Empty
        if the task has nothing to draw. A drawing that fails does not fail the job.
    """
    try:
        answers, targets = (selected(one, found.rows) for one in (found.answers, found.targets))
        marks = objective.example_marks(answers, targets, encoding)
        folder = context.artifacts / "examples"
        listed = []
        for row, image, of_image in zip(found.rows, found.images, marks, strict=bool(marks)):
            folder.mkdir(parents=True, exist_ok=True)
            file = folder / f"seed-{context.repeat}-image-{row}.png"
            content = encoded(image, *of_image)
            with files.replacing(file) as stream:
                stream.write(content)
            path = file.relative_to(context.run or context.artifacts.parents[1]).as_posix()
            listed.append({"image": row, "file": path, "sha256": sha256(content).hexdigest()})
    except Exception as error:  # of an objective of another package, or of a full disk
        if is_out_of_memory(error):
            raise
        context.report_progress(f"no example pictures: {brief(error, 200)}")
        return {}
    return {"examples": listed} if listed else {}


def encoded(image: np.ndarray, truth: Sequence[AnyMark], predicted: Sequence[AnyMark]) -> bytes:
    """Return a PNG of an image, beside it with its truth and with the prediction.

    Its size is at most `MOST_BYTES`: large images are reduced, and have fewer colours.
    """
    content = b""
    for side, colours in _QUALITIES:
        panels = [_panel(image, marks, side) for marks in ((), truth, predicted)]
        sheet = drawing.sheet(panels, len(panels), PANELS)
        stream = io.BytesIO()
        # Not dithered: noise does not compress.
        few = sheet.quantize(colours, dither=Image.Dither.NONE)
        few.save(stream, "PNG", optimize=True)
        content = stream.getvalue()
        if len(content) <= MOST_BYTES:
            break
    return content


def _panel(image: np.ndarray, marks: Sequence[AnyMark], side: int) -> Image.Image:
    """Return an image of about ``side`` px with its marks; single pixels remain visible."""
    grey_or_colour = image[..., 0] if image.shape[-1] == 1 else image
    picture = Image.fromarray(grey_or_colour).convert("RGB")
    longer = max(picture.size)
    nearest = Image.Resampling.NEAREST
    if longer > side:
        scale = side / longer
        width, height = (max(1, round(one * scale)) for one in picture.size)
        picture = picture.resize((width, height), Image.Resampling.BOX)
    else:
        times = side // longer
        picture = picture.resize((times * picture.width, times * picture.height), nearest)
    return drawing.drawn(picture, [_scaled(mark, picture.size) for mark in marks])


def _scaled(mark: AnyMark, size: tuple[int, int]) -> AnyMark:
    """Return a mark for a picture of another ``(width, height)``."""
    if mark.mask is None:
        return mark
    mask = Image.fromarray(np.asarray(mark.mask, np.uint8))
    resized = np.asarray(mask.resize(size, Image.Resampling.NEAREST), bool)
    return replace(mark, mask=resized)
