"""Speed of counting, compared with building alone and with TensorFlow's profiler.

    python benchmarks/static_speed.py [--no-profiler] [MODEL...]

Print three times in seconds for every model of ``keras.applications``:
- ``bare``: build it without weights;
- ``cnnbench``: build it without weights and count everything;
- ``profiler``: the alternative, which builds and traces it and runs ``tf.compat.v1.profiler``.

The first two alternate in one process, whose peak memory is printed; the third has a separate
process. With all 40 models the targets are checked: cnnbench takes at most 1.5 times as long as
bare, uses less than 1 GB, and has a median speed-up over the profiler of at least five. The exit
code is 1 if a target is missed.
"""

from __future__ import annotations

import argparse
import gc
import json
import os
import resource
import statistics
import subprocess
import sys
import time
from typing import Any

OPEN_SIZE = {"MobileNetV3Large": (224, 224, 3), "MobileNetV3Small": (224, 224, 3)}
MOST_OVER_BARE, MOST_BYTES, LEAST_ADVANTAGE = 1.5, 1e9, 5.0


def main() -> int:
    arguments = _arguments()
    if arguments.child:
        _child(arguments.child, arguments.models)
        return 0
    ours = _run("counting", arguments.models)
    theirs = _run("profiler", arguments.models) if arguments.profiler else None
    return _report(ours, theirs, complete=not arguments.models)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("models", nargs="*", help="of keras.applications; all by default")
    parser.add_argument("--no-profiler", dest="profiler", action="store_false")
    parser.add_argument("--child", choices=["counting", "profiler"], help=argparse.SUPPRESS)
    return parser.parse_args()


def _run(task: str, models: list[str]) -> dict[str, Any]:
    """Return the result of a task run in a fresh process."""
    command = [sys.executable, __file__, "--child", task, *models]
    environment = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"}
    done = subprocess.run(
        command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=True
    )
    result: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return result


def _child(task: str, models: list[str]) -> None:
    import tensorflow as tf

    names = models or [name for name in dir(tf.keras.applications) if name[0].isupper()]
    measure = _counting if task == "counting" else _profiler
    measure("MobileNet")  # one-time initialisation, not counted
    times = {name: measure(name) for name in names}
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    sys.stdout.write(json.dumps({"times": times, "peak_bytes": peak}) + "\n")


def _build(name: str) -> Any:
    import tensorflow as tf

    options = {"input_shape": OPEN_SIZE[name]} if name in OPEN_SIZE else {}
    return getattr(tf.keras.applications, name)(weights=None, **options)


def _counting(name: str) -> dict[str, float]:
    from cnnbench.analysis import inspect, weightless

    def bare() -> None:
        with weightless():
            _build(name)

    def counted() -> None:
        with weightless():
            inspect(_build(name))

    return {"bare": _seconds(bare), "cnnbench": _seconds(counted)}


def _profiler(name: str) -> dict[str, float]:
    import tensorflow as tf

    def profiled() -> None:
        model = _build(name)
        image = tf.TensorSpec((1, *model.input_shape[1:]))
        graph = tf.function(model).get_concrete_function(image).graph
        options = tf.compat.v1.profiler.ProfileOptionBuilder.float_operation()
        options["output"] = "none"
        tf.compat.v1.profiler.profile(graph=graph, cmd="op", options=options)

    return {"profiler": _seconds(profiled)}


def _seconds(work: Any) -> float:
    import tensorflow as tf

    tf.keras.backend.clear_session()
    gc.collect()
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def _report(ours: dict[str, Any], theirs: dict[str, Any] | None, complete: bool) -> int:
    print(f"{'':20} {'bare':>8} {'cnnbench':>8} {'/ bare':>7} {'profiler':>9} {'advantage':>9}")
    advantages = []
    for name, one in ours["times"].items():
        line = f"{name:20} {_pair(one)}"
        if theirs:
            other = theirs["times"][name]["profiler"]
            advantages.append(other / one["cnnbench"])
            line += f" {other:9.3f} {advantages[-1]:8.1f}x"
        print(line)
    total = {key: sum(one[key] for one in ours["times"].values()) for key in ("bare", "cnnbench")}
    print(f"{'all':20} {_pair(total)}")
    print(f"cnnbench: peak {ours['peak_bytes'] / 1e9:.2f} GB")
    met = {
        f"at most {MOST_OVER_BARE} x bare": total["cnnbench"] <= MOST_OVER_BARE * total["bare"],
        f"peak under {MOST_BYTES / 1e9:.0f} GB": ours["peak_bytes"] < MOST_BYTES,
    }
    if theirs:
        whole = sum(one["profiler"] for one in theirs["times"].values())
        median = statistics.median(advantages)
        print(f"profiler: {whole:.1f} s, peak {theirs['peak_bytes'] / 1e9:.2f} GB")
        print(f"advantage: median {median:.1f}x, in all {whole / total['cnnbench']:.1f}x")
        met[f"median advantage at least {LEAST_ADVANTAGE:.0f}"] = median >= LEAST_ADVANTAGE
    for target, reached in met.items() if complete else ():
        print(f"{'met' if reached else 'MISSED'}: {target}")
    return 0 if all(met.values()) or not complete else 1


def _pair(one: dict[str, float]) -> str:
    ratio = one["cnnbench"] / one["bare"]
    return f"{one['bare']:8.3f} {one['cnnbench']:8.3f} {ratio:7.2f}"


if __name__ == "__main__":
    sys.exit(main())
