"""Agreement of LiteRT latencies with ``litert-benchmark`` from the same package.

The tool and cnnbench's timing loop both use the CompiledModel API with the same file and number of
threads. Each round runs them in two fresh processes, in alternating order. The ratio of their
medians has an interval over the rounds, which must lie within 5 % of one. The reference is read
between the processes, so that rounds during which the machine was slowed down are excluded. The
interpreter API, which the ``litert`` runtime uses, is timed too.

    python benchmarks/litert_agreement.py [--rounds 30] [--threads 2] [--quick] [MODEL...]
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

from cnnbench.environment import usable_cores
from cnnbench.models import registry
from cnnbench.probes.latency import calibrated_model
from cnnbench.probes.latency.quiet import fastest_of, is_quiet
from cnnbench.probes.latency.reference import CoreReference, Reading
from cnnbench.probes.latency.runtimes.litert import LiteRT
from cnnbench.probes.latency.settings import LatencySetting
from cnnbench.probes.latency.timed_round import TimingConfig
from cnnbench.probes.latency.timing import observe
from cnnbench.statistics import estimates as sampled
from cnnbench.statistics.robust import FEWEST_PROCESSES

# The tool prints two decimals of a millisecond: 0.5 % for a network of 2 ms or more.
MODELS = ("MobileNetV2", "ResNet50")
WITHIN = 0.05


class Compiled(LiteRT):
    """The flatbuffer through the CompiledModel API; inputs lie in its buffers already."""

    def load(self) -> None:
        from ai_edge_litert.compiled_model import CompiledModel
        from ai_edge_litert.hardware_accelerator import HardwareAccelerator
        from ai_edge_litert.options import CpuOptions, Options

        options = Options(
            hardware_accelerators=HardwareAccelerator.CPU,
            cpu_options=CpuOptions(num_threads=self.threads),
        )
        self._compiled = CompiledModel.from_file(str(self.file), options=options)

    def compile(self, images: np.ndarray | None = None) -> None:
        self._key = next(iter(self._compiled.get_signature_list()))
        inputs = self._compiled.get_input_tensor_details(self._key)
        outputs = self._compiled.get_output_tensor_details(self._key)
        make = self._compiled
        self._in = {name: make.create_input_buffer_by_name(self._key, name) for name in inputs}
        self._out = {name: make.create_output_buffer_by_name(self._key, name) for name in outputs}
        for buffer in self._in.values():
            buffer.write(images)

    def call(self, fed: np.ndarray) -> list[np.ndarray]:
        self._compiled.run_by_name(self._key, self._in, self._out)
        return []

    def close(self) -> None:
        del self._in, self._out, self._compiled


def by_loop(model: str, threads: int, folder: Path, api: str, seconds: float) -> dict[str, float]:
    """The median of cnnbench's own loop in milliseconds, and its calls; in this process."""
    kind = {"compiled": Compiled, "interpreter": LiteRT}[api]
    subject = registry.resolve(model)
    path = kind(subject, LatencySetting(runtime="litert", threads=threads), folder)
    effort = TimingConfig(seconds=seconds)
    images = calibrated_model.random_inputs(subject, 1, seed=0)
    path.start()
    path.load()
    path.compile(images)
    _, timing = observe(path.call, [images], threads, effort)
    path.close()
    return {"median_ms": 1e3 * statistics.median(timing.calls), "calls": len(timing.calls)}


def in_process(model: str, threads: int, folder: Path, api: str, seconds: float) -> dict[str, Any]:
    """Run `by_loop` in a separate process."""
    command = [sys.executable, __file__, model, "--threads", str(threads)]
    command += ["--api", api, "--folder", str(folder), "--seconds", str(seconds)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def by_tool(folder: Path, threads: int, calls: int) -> float:
    """Return the median reported by ``litert-benchmark``, in milliseconds."""
    result = folder / "tool.json"
    command = [sys.executable, "-m", "ai_edge_litert.tools.benchmark_litert_model"]
    command += ["--model", str(folder / "model.tflite"), "--num_threads", str(threads)]
    command += ["--num_runs", str(calls), "--warmup_runs", str(max(5, calls // 5))]
    command += ["--result_json", str(result)]
    subprocess.run(command, capture_output=True, check=True)
    return float(json.loads(result.read_text())["latency"]["median_ms"])


def compare(model: str, threads: int, rounds: int, seconds: float) -> bool:
    """Print one model's ratios; return whether the interval lies within `WITHIN` of one."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        subject = registry.resolve(model)
        setting = LatencySetting(runtime="litert", threads=threads)
        LiteRT(subject, setting, folder).prepare(calibrated_model.build(subject))
        calls = int(in_process(model, threads, folder, "compiled", seconds)["calls"])
        found: dict[str, list[float]] = {"tool": [], "compiled": [], "interpreter": []}
        readings: list[list[Reading]] = []
        with CoreReference(threads, time.perf_counter_ns) as reference:
            for number in range(rounds):
                beside = [reference.read()]
                for way in list(found) if number % 2 else reversed(found):
                    found[way].append(
                        by_tool(folder, threads, calls)
                        if way == "tool"
                        else in_process(model, threads, folder, way, seconds)["median_ms"]
                    )
                    beside.append(reference.read())
                readings.append(beside)
                print(f"{model}: round {number + 1} of {rounds}", file=sys.stderr)
    fastest = fastest_of([one for beside in readings for one in beside], {})
    quiet = [
        place
        for place, beside in enumerate(readings)
        if all(is_quiet(one, fastest) for one in beside)
    ]
    counted = quiet if len(quiet) >= FEWEST_PROCESSES else list(range(rounds))
    tool = statistics.median(found["tool"][place] for place in counted)
    print(
        f"{model}, {threads} threads, {len(counted)} of {rounds} rounds are valid: "
        f"litert-benchmark {tool:.2f} ms"
    )
    is_within = True
    for way, words in (("compiled", "same API"), ("interpreter", "interpreter's API")):
        ratio = sampled.estimate([found[way][place] / found["tool"][place] for place in counted])
        print(
            f"  cnnbench ÷ tool, {words}: {ratio.value:.3f} ({ratio.low:.3f} ... {ratio.high:.3f})"
        )
        if way == "compiled":
            is_within = ratio.low >= 1 - WITHIN and ratio.high <= 1 + WITHIN
            print(f"  {'within' if is_within else 'NOT within'} {WITHIN:.0%} of one")
    return is_within


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("models", nargs="*", default=MODELS, metavar="MODEL")
    parser.add_argument("--rounds", type=int, default=30)
    parser.add_argument("--threads", type=int, default=usable_cores())
    parser.add_argument("--seconds", type=float, default=2.0, help="seconds of calls per process")
    parser.add_argument("--quick", action="store_true", help="functional check: two short rounds")
    parser.add_argument("--api", help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.api:
        (model,) = arguments.models
        found = by_loop(
            model, arguments.threads, arguments.folder, arguments.api, arguments.seconds
        )
        print(json.dumps(found))
        return
    rounds, seconds = (2, 0.2) if arguments.quick else (arguments.rounds, arguments.seconds)
    agree = [compare(model, arguments.threads, rounds, seconds) for model in arguments.models]
    sys.exit(0 if all(agree) or arguments.quick else 1)


if __name__ == "__main__":
    main()
