"""Refuse a Keras without the TensorFlow backend, or with invalid settings, before importing it.

Keras 3 selects its backend when it is imported: by ``KERAS_BACKEND``, else by
``keras.json`` in its folder (``KERAS_HOME``, else ``~/.keras``). Networks are built, counted,
traced and converted with TensorFlow. Call `check_here` before Keras is first needed in this
process, and `check_workers` before starting workers.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from cnnbench import safe_json
from cnnbench.environment import variables
from cnnbench.errors import UserError, shown

_BACKEND = "tensorflow"
_NNX = "KERAS_NNX_ENABLED"  # overrides keras.json
_LEGACY = ("1", "true", "True")  # as TensorFlow reads TF_USE_LEGACY_KERAS
_HINT = f"networks are built and counted with Keras on TensorFlow: set KERAS_BACKEND={_BACKEND}"
_CHOICES = {
    "floatx": ("float16", "float32", "float64"),
    "image_data_format": ("channels_last", "channels_first"),
}


def check_here() -> None:
    """Refuse the Keras that this process has loaded, or would load, if it cannot be used.

    Raises:
        UserError: its backend is not TensorFlow, or it refuses its own settings.
    """
    loaded: Any = sys.modules.get("keras")
    if loaded is None:
        _check(os.environ)
    elif (backend := loaded.config.backend()) != _BACKEND:
        raise UserError(f"Keras runs on '{backend}' in this process", hint=_HINT)


def check_workers(data_dir: Path | None) -> None:
    """Refuse the Keras that workers would load, if it cannot be used.

    Its settings are read from ``data_dir/keras`` if there is a data folder.

    Raises:
        UserError: its backend would not be TensorFlow, or it refuses its own settings.
    """
    home = {} if data_dir is None else {"KERAS_HOME": str(data_dir / "keras")}
    environ = {**os.environ, **home}
    variables.override(environ)
    _check(environ)


def _check(environ: Mapping[str, str]) -> None:
    home = environ.get("KERAS_HOME") or str(Path("~/.keras"))
    file = Path(home, "keras.json").expanduser()
    settings = _settings(file)
    if environ.get("TF_USE_LEGACY_KERAS") in _LEGACY:  # Keras 2 knows no other backend
        return
    by_variable = environ.get("KERAS_BACKEND")
    backend = by_variable or settings.get("backend", _BACKEND)
    if backend != _BACKEND:
        where = "KERAS_BACKEND" if by_variable else f"{file}: backend"
        raise UserError(f"{shown(backend)} is not supported", where, _HINT)
    if _NNX not in environ and settings.get("nnx_enabled") and find_spec("flax") is None:
        raise UserError("requires JAX and flax", f"{file}: nnx_enabled", "set it to false")


def _settings(file: Path) -> Mapping[str, Any]:
    """Return the settings in ``keras.json``; none if Keras cannot read the file either.

    Raises:
        UserError: a setting that Keras refuses.
    """
    try:
        settings = safe_json.loads(file.read_text())
    except (OSError, ValueError):
        return {}
    if not isinstance(settings, dict):
        raise UserError("is not a JSON object", str(file), "delete it; Keras will recreate it")
    for name, choices in _CHOICES.items():
        if settings.get(name, choices[0]) not in choices:
            raise UserError(
                f"{shown(settings[name])} is not one of {', '.join(choices)}", f"{file}: {name}"
            )
    if not isinstance(settings.get("epsilon", 1e-7), float):
        raise UserError(f"{shown(settings['epsilon'])} is not a float", f"{file}: epsilon")
    return settings
