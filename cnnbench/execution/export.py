"""Export one variant of a model as files, by the same two jobs as in a suite."""

from __future__ import annotations

import contextlib
import json
import shutil
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from cnnbench import __version__
from cnnbench.environment import keras_backend
from cnnbench.errors import CnnbenchError, UserError
from cnnbench.execution import executor as executors
from cnnbench.execution import export_settings
from cnnbench.execution.executor import Executor
from cnnbench.execution.export_settings import ExportOptions
from cnnbench.execution.job import JobRequest, JobResult
from cnnbench.execution.machine_use import MachineUse
from cnnbench.probes.compression import paths
from cnnbench.probes.compression.settings import CompressionSetting
from cnnbench.units import show

_NO_LIMIT_S = 30 * 24 * 3600.0
_IDENTIFIER = b"TFL3"  # of a network's flatbuffer, behind its first four bytes
_KEYS = {"cnnbench", "variant", "sha256"}  # of the card of an export, among others


def export(
    options: ExportOptions,
    data_dir: Path | None = None,
    report_progress: Callable[[str], None] = lambda message: None,
    executor: Executor | None = None,
) -> dict[str, Any]:
    """Make a LiteRT file and its card; return the card.

    Args:
        options: which variant of which model, and where to.
        data_dir: holds data sets, or None.
        report_progress: takes progress messages.
        executor: where the jobs run; by default on this machine.

    Raises:
        UserError: an option is wrong, the weights do not fit, the file cannot be written, another
            file is there, or Keras would not run on TensorFlow.
        CnnbenchError: the variant cannot be made; the log is kept next to the file.
    """
    executor = executor or executors.find()
    search_path = (Path.cwd(),)
    setting, trained = export_settings.resolve(options, search_path)
    out = options.out.resolve()
    _check_free(out)
    keras_backend.check_workers(data_dir)
    with tempfile.TemporaryDirectory(prefix="cnnbench-export-") as temporary:
        work = Path(temporary)
        log = work / "export.log"
        with contextlib.ExitStack() as stack:
            if executor.uses_this_machine:
                stack.enter_context(MachineUse().held("export"))
            stack.enter_context(executor)
            for part in ("train", "convert"):
                request = _request(options.model, setting, part, work, log, search_path, data_dir)
                result = executors.run_one(executor, request, report_progress)
                if result.status != "ok":
                    raise _failure(result, log, out)
        made = paths.converted_file(work / "artifacts")
        card = json.loads((made.parent / paths.CARD).read_text(encoding="utf-8"))
        card = {"cnnbench": __version__} | card
        if trained:
            card["from"]["training"] |= trained
        try:
            _put(made, card, out)
        except OSError as error:
            raise UserError(f"cannot be written: {error.strerror}", str(out)) from None
    return card


def summary(card: Mapping[str, Any], out: Path) -> str:
    """Return the main facts of a card in one line."""
    found = card["metrics"]
    words = [f"{out}: {card['model']} {card['variant']}, {show(card['bytes'], 'bytes')}"]
    if "top1" in found:
        words.append(
            f"top-1 {show(found['top1'], 'fraction')}, "
            f"agreement with float32 {show(found['agreement'], 'fraction')}"
        )
    if "coverage_macs" in found:
        words.append(f"{show(found['coverage_macs'], 'fraction')} of the MACs covered")
    words += card["read_back"].get("flags", [])
    return "; ".join([*words, f"card in {_card_of(out)}"])


def _request(
    model: str,
    setting: CompressionSetting,
    part: str,
    work: Path,
    log: Path,
    search_path: Sequence[Path],
    data_dir: Path | None,
) -> JobRequest:
    artifacts, scratch = work / "artifacts" / part, work / "scratch"
    artifacts.mkdir(parents=True, exist_ok=True)
    scratch.mkdir(exist_ok=True)
    return JobRequest(
        id=part,
        model=model,
        search_path=tuple(str(folder) for folder in search_path),
        probe=CompressionSetting.probe,
        setting=setting.model_copy(update={"part": part}).model_dump(mode="json"),
        repeat=0,
        artifacts=str(artifacts),
        scratch=str(scratch),
        log=str(log),
        data_dir=str(data_dir) if data_dir else None,
        memory_limit=None,
        timeout_s=_NO_LIMIT_S,
    )


def _failure(result: JobResult, log: Path, out: Path) -> CnnbenchError:
    """Return the error of a failed job, with its log copied next to ``out``."""
    if result.is_user_error:
        return UserError(result.reason)
    kept = out.with_name(f"{out.name}.log")
    words = "not applicable: " if result.status == "skipped" else f"{result.status}: "
    try:
        shutil.copyfile(log, kept)
    except OSError:
        return CnnbenchError(f"{words}{result.reason}")
    return CnnbenchError(f"{words}{result.reason} (its output is in {kept})")


def _check_free(out: Path) -> None:
    """Make sure that only files of an earlier export are replaced.

    Raises:
        UserError: another file is there, such as the weights or a run's own card.
    """
    for file, is_ours, kind in (
        (out, _is_flatbuffer, "LiteRT file"),
        (_card_of(out), _is_card, "card of an export"),
    ):
        if file.exists() and not is_ours(file):
            raise UserError(f"exists and is not a {kind}", str(file), "choose another --out")


def _is_flatbuffer(file: Path) -> bool:
    with contextlib.suppress(OSError), file.open("rb") as stream:
        return stream.read(8)[4:] == _IDENTIFIER
    return False


def _is_card(file: Path) -> bool:
    with contextlib.suppress(OSError, ValueError):
        found = json.loads(file.read_text(encoding="utf-8"))
        return isinstance(found, dict) and found.keys() >= _KEYS
    return False


def _card_of(out: Path) -> Path:
    return out.with_suffix(".json")


def _put(made: Path, card: dict[str, Any], out: Path) -> None:
    """Write ``out`` and its card completely before either is put into its place."""
    files = (out, _card_of(out))
    parts = [file.with_name(f".{file.name}.part") for file in files]
    try:
        shutil.copyfile(made, parts[0])
        text = json.dumps(card, indent=1, allow_nan=False)
        parts[1].write_text(f"{text}\n", encoding="utf-8")
        for part, file in zip(parts, files, strict=True):
            part.replace(file)
    finally:
        for part in parts:
            part.unlink(missing_ok=True)
