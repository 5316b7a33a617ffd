"""Predicted and measured peak memory of inference for all of keras.applications.

Each model is measured in its own process by the ``memory`` probe at batch 32, with oneDNN's blocked
layouts off (``TF_ENABLE_ONEDNN_OPTS=0``), or with TensorFlow's defaults (``--onednn``). At least 30
of the 40 predictions must be within 25 % of the measurement. Nothing is timed, so that other load
does not affect the result.

Results are appended to ``--out``. Rerun the command to resume.

    python benchmarks/memory_prediction.py [--batch 32] [--onednn] [--quick] [--out FILE] [MODEL...]
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from cnnbench.models import catalog, registry
from cnnbench.probes.interface import Context
from cnnbench.probes.memory.settings import MemorySetting

WITHIN, WANTED = 0.25, 30
QUICK = ("MobileNetV2", "MobileNetV3Small", "NASNetMobile")


def measure(model: str, batch: int) -> dict[str, Any]:
    """Measure one peak and its prediction in this process."""
    from cnnbench.probes.memory import run as memory

    subject = registry.resolve(model)
    with tempfile.TemporaryDirectory() as name:
        context = Context(0, Path(name), Path(name))
        found = memory.run(subject, MemorySetting(batch_size=batch), context)
    return {
        "model": model,
        "measured_bytes": found.metrics["memory_infer_peak_bytes"],
        "predicted_bytes": found.metrics["memory_predicted_bytes"],
        "plain_bytes": without_reuse(subject, batch),
        "ratio": found.metrics["memory_ratio"],
    }


def without_reuse(subject: Any, batch: int) -> float:
    """Return ``activation_infer_peak_bytes``: the prediction without in-place operations."""
    from cnnbench.analysis import inspect

    found = inspect(subject.architecture(), batch_size=batch, input_shape=subject.input_shape)
    return float(found.metrics["activation_infer_peak_bytes"])


def in_process(model: str, batch: int, onednn: bool) -> dict[str, Any]:
    """Run `measure` in a separate process; ``failed`` has the reason if it dies."""
    environment = os.environ | {
        "TF_ENABLE_ONEDNN_OPTS": "1" if onednn else "0",
        "TF_CPP_MIN_LOG_LEVEL": "3",
        "CUDA_VISIBLE_DEVICES": "-1",
    }
    command = [sys.executable, __file__, "--one", "--batch", str(batch), model]
    done = subprocess.run(command, capture_output=True, text=True, env=environment)
    if done.returncode:
        last = (done.stderr.strip().splitlines() or ["no output"])[-1]
        return {"model": model, "failed": f"exit code {done.returncode}: {last[:200]}"}
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def show(rows: list[dict[str, Any]]) -> bool:
    """Print a Markdown table; return whether enough predictions are within the bound."""
    good = sorted((row for row in rows if "ratio" in row), key=lambda row: row["ratio"])
    print("| model | measured, MB | predicted, MB | ratio | nothing in place, MB | ratio |")
    print("|---|---|---|---|---|---|")
    for row in good:
        measured, predicted, plain = (
            row[name] / 1e6 for name in ("measured_bytes", "predicted_bytes", "plain_bytes")
        )
        print(
            f"| {row['model']} | {measured:,.0f} | {predicted:,.0f} | {row['ratio']:.2f} "
            f"| {plain:,.0f} | {measured / plain:.2f} |"
        )
    for row in rows:
        if "failed" in row:
            print(f"{row['model']}: {row['failed']}")
    for name, words in (
        ("predicted_bytes", "predicted"),
        ("plain_bytes", "nothing in place"),
    ):
        off = [abs(row[name] / row["measured_bytes"] - 1) for row in good]
        within = sum(one <= WITHIN for one in off)
        print(f"{words}: {within} of {len(rows)} within {WITHIN:.0%} of the measurement")
        if name == "predicted_bytes":
            is_enough = within >= WANTED
    print(f"{WANTED} of 40 required")
    return is_enough


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("models", nargs="*", metavar="MODEL")
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--onednn", action="store_true", help="keep TensorFlow's defaults")
    parser.add_argument("--quick", action="store_true", help=f"only {', '.join(QUICK)}")
    parser.add_argument("--out", type=Path, default=Path("results/memory_prediction.jsonl"))
    parser.add_argument("--one", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.one:
        print(json.dumps(measure(arguments.models[0], arguments.batch)))
        return
    keras_40 = [
        entry.name for entry in catalog.ENTRIES.values() if entry.source == "keras.applications"
    ]
    models = arguments.models or (QUICK if arguments.quick else keras_40)
    out, setting = arguments.out, {"batch": arguments.batch, "onednn": arguments.onednn}
    out.parent.mkdir(parents=True, exist_ok=True)
    known = [json.loads(line) for line in out.read_text().splitlines()] if out.exists() else []
    rows = [
        row
        for row in known
        if row["model"] in models and row["setting"] == setting and "ratio" in row
    ]
    for model in models:
        if any(row["model"] == model for row in rows):
            continue
        print(f"{model} ({len(rows) + 1} of {len(models)})", file=sys.stderr)
        rows.append(in_process(model, arguments.batch, arguments.onednn) | {"setting": setting})
        with out.open("a") as stream:
            stream.write(json.dumps(rows[-1]) + "\n")
    enough = show(rows)
    sys.exit(0 if enough or len(models) < 40 else 1)


if __name__ == "__main__":
    main()
