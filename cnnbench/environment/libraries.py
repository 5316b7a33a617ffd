"""Libraries whose versions are part of the environment's fingerprint, and why others are not.

A library is part of it if another version can change a measured number: a time, a memory peak, an
accuracy, a file size. Only the descriptions of other packages' runtimes are imported.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import suppress
from importlib import metadata
from typing import Literal

# Distribution -> the first schema of the fingerprint that records it.
LIBRARIES: Mapping[str, int] = {
    "tensorflow": 1,
    "keras": 1,
    "tf-keras": 1,
    "tensorflow-model-optimization": 1,
    "ai-edge-litert": 1,
    "numpy": 1,
    "onnxruntime": 1,
    "openvino": 1,
    "jax": 3,
    "jaxlib": 3,
    "nvidia-cublas-cu12": 1,  # of ``tensorflow[and-cuda]``; CUDA installed otherwise is not seen
    "nvidia-cudnn-cu12": 1,
    "tf2onnx": 2,  # this and the next convert the graph for ONNX Runtime
    "onnx": 2,
    "ml_dtypes": 2,
    "Pillow": 2,  # decodes and resizes images
    "h5py": 3,  # reads stored weights, which is part of ``load_s``
    "scikit-learn": 3,  # provides the images of ``digits``
    "tensorflow-datasets": 3,  # reads and splits the images of ``tf_flowers``
    "memory-profiler": 3,  # samples the resident set over time
}
# Recorded since this schema: distributions of other packages' runtimes.
OTHERS_SINCE = 3

# Distribution that cnnbench requires -> reason why its version cannot change a measured number.
WITHOUT_EFFECT: Mapping[str, str] = {
    "altair": "describes charts of finished results",
    "click": "parses the command line",
    "defusedxml": "reads the text of annotation files",
    "faster-coco-eval": "computes average precision, as defined; tested against pycocotools",
    "importlib-resources": "imported by tensorflow-datasets to find its own files",
    "Jinja2": "renders HTML reports",
    "mkdocs-material": "builds the documentation",
    "pandas": "holds tables made from records",
    "pydantic": "validates suites; the validated values are part of the key",
    "pydantic-core": "part of pydantic",
    "PyYAML": "reads suites; the values read are part of the key",
    "rich": "shows tables and progress in the terminal",
    "scipy": "fills holes of masks and assigns tracks, which is exact; computes quantiles, which "
    "are never recorded",
    "threadpoolctl": "limits the threads of BLAS",
    "ray": "carries jobs to machines; each is measured by a process of cnnbench's own there",
    "trackeval": "computes HOTA, MOTA and IDF1, as defined; tested by hand and on public sequences",
    "vl-convert-python": "draws charts of finished results",
}


def versions() -> dict[str, str]:
    """Return the versions of the installed libraries of the fingerprint, by name."""
    points = _other_runtimes()
    providers = [point.dist.name for point in points if point.dist is not None]
    names = dict.fromkeys([*LIBRARIES, *providers, *declared("packages")])
    return {name: version for name in names if (version := version_of(name))}


def version_of(name: str) -> str | None:
    """Return the version of an installed distribution, or None."""
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def declared(what: Literal["packages", "variables"]) -> Iterator[str]:
    """Yield the names that the runtimes of other packages declare in one of their fields."""
    for point in _other_runtimes():
        with suppress(Exception):  # a broken one is reported where it is used, and by doctor
            yield from getattr(point.load(), what)


def _other_runtimes() -> list[metadata.EntryPoint]:
    points = metadata.entry_points(group="cnnbench.runtimes")
    return sorted(points, key=lambda point: (point.name, point.value))
