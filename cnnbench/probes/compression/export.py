"""Export one variant of a trained model as a file, by the same jobs as in a suite."""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cnnbench import __version__
from cnnbench.errors import CnnbenchError, UserError
from cnnbench.models import registry
from cnnbench.probes import artifacts
from cnnbench.probes.compression import exported_file, paths, variants
from cnnbench.probes.compression.settings import CompressionSetting, Part
from cnnbench.probes.settings import Setting

# Runs one job per setting in sequence; arguments as of `execution.single_jobs.run`.
RunJobs = Callable[[str, Sequence[Setting], Sequence[Path], Path, Path], None]


@dataclass(frozen=True)
class Export:
    """A file to make, with everything decided.

    Attributes:
        model: as the registry resolves it.
        setting: of the part ``convert``.
        out: the LiteRT file; its card has the same name with the ending ``.json``.
        search_path: where modules and files are looked up.
        training: facts about the training for the card.
        kept: folder of a run with what it made of the model; what fits the setting is taken.
        origin: facts for the card about the run, and remarks (``notes``).
    """

    model: str
    setting: CompressionSetting
    out: Path
    search_path: tuple[Path, ...] = ()
    training: Mapping[str, Any] = field(default_factory=dict)
    kept: Path | None = None
    origin: Mapping[str, Any] = field(default_factory=dict)


def export(asked: Export, run_jobs: RunJobs) -> dict[str, Any]:
    """Make a LiteRT file and its card; return the card.

    Args:
        asked: which variant of which model, and where to.
        run_jobs: runs the jobs that make the file.

    Raises:
        UserError: the weights do not fit, the file cannot be written, another file is there, or
            Keras would not run on TensorFlow.
        CnnbenchError: the variant cannot be made; the log is kept next to the file.
    """
    out = asked.out.resolve()
    exported_file.check_free(out)
    with tempfile.TemporaryDirectory(prefix="cnnbench-export-") as temporary:
        folder, log = Path(temporary) / "export", Path(temporary) / "export.log"
        try:
            run_jobs(asked.model, _left(asked, folder), asked.search_path, folder, log)
        except UserError:
            raise
        except CnnbenchError as error:
            raise _with_log(error, log, out.with_name(f"{out.name}.log")) from error
        (finished,) = folder.glob(f"*/{paths.FINISHED}")
        card = _card(asked, folder, _read(finished))
        exported_file.put(finished.parent / paths.MODEL, card, out)
    return card


def _card(asked: Export, folder: Path, finished: Mapping[str, Any]) -> dict[str, Any]:
    """Return the card: of the conversion, of the finished file, and of the training."""
    converted = artifacts.find(folder, paths.variant_key(_label(asked), asked.setting))
    if converted is None:
        raise CnnbenchError("the jobs left no converted file")
    found = _read(converted / paths.CARD)
    metrics = found.get("metrics", {}) | finished["metrics"]
    card: dict[str, Any] = {"cnnbench": __version__} | found | dict(finished) | dict(asked.origin)
    card |= {"metrics": metrics, "bytes": int(metrics["file_bytes"])}
    if asked.setting.int8_io:
        card["int8_io"] = True
    if asked.training:
        card["from"]["training"] |= asked.training
    return card


def _read(file: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    return found


def _left(asked: Export, folder: Path) -> list[Setting]:
    """Copy what a run has made already into ``folder``; return the settings of the other parts."""
    folder.mkdir(parents=True)
    if asked.kept is not None:
        for key in _keys(asked):
            found = artifacts.find(asked.kept, key)
            if found is not None:
                shutil.copytree(found, folder / found.name)
    label = _label(asked)
    made = {
        "train": (paths.float32_key(label, asked.setting), paths.FLOAT32_CARD),
        "convert": (paths.variant_key(label, asked.setting), paths.CARD),
    }
    parts: list[Part] = ["train", "convert", "finish"]
    return [
        asked.setting.model_copy(update={"part": part})
        for part in parts
        if part not in made or not _has(folder, *made[part])
    ]


def _has(folder: Path, key: str, file: str) -> bool:
    found = artifacts.find(folder, key)
    return found is not None and (found / file).is_file()


def _keys(asked: Export) -> Iterator[str]:
    """Yield the keys of the folders that the jobs read: float32 model, stages, variant."""
    label, setting = _label(asked), asked.setting
    yield paths.float32_key(label, setting)
    own = paths.variant_key(label, setting)
    stages = variants.parse(setting.variant).stages
    yield from dict.fromkeys([*(paths.stage_key(label, setting, each) for each in stages), own])


def _label(asked: Export) -> str:
    return registry.resolve(asked.model, asked.search_path).label


def _with_log(error: CnnbenchError, log: Path, kept: Path) -> CnnbenchError:
    """Return ``error`` with the place where the log is kept, if it can be."""
    try:
        shutil.copyfile(log, kept)
    except OSError:
        return error
    return CnnbenchError(f"{error} (its output is in {kept})")
