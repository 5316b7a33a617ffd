"""Latencies of small networks of many families, to fit forecasts on and to judge them.

A forecast (docs/forecast.md) needs networks of many families that were measured on one machine in
one way. This measures 22 of them in LiteRT, on all cores and on one, in two rounds each: some
ten minutes on two cores. The run is an ordinary one, in ``--out``; rerun the command to resume.

    python benchmarks/forecast.py [--out results] [--quick] [--dry-run]
    python benchmarks/forecast.py --compare [--out results/published] [--environment ID]

Afterwards it shows the error on families left out, as ``cnnbench forecast`` does. ``--compare``
measures nothing: it fits gradient boosting on top of the costs, and MACs alone, on what was
measured, and shows the error of each and the seconds that it takes.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
from sklearn.ensemble import GradientBoostingRegressor

import cnnbench
from cnnbench.environment import fingerprint
from cnnbench.forecast import evidence, fitting
from cnnbench.forecast.counts import Counts
from cnnbench.forecast.fitting import Fitted, TrainingSet

# One of each kind of block, at sizes that are converted in seconds and called in milliseconds.
NETWORKS = (
    "LeNet5",
    "BasicCNN",
    "AlexNet[input_shape=67x67x3]",
    "GoogLeNet[input_shape=128x128x3]",
    "VGG11[input_shape=64x64x3]",
    "ResNet18[input_shape=128x128x3]",
    "ResNet50[input_shape=96x96x3]",
    "ResNet50V2[input_shape=128x128x3]",
    "SEResNet34[input_shape=96x96x3]",
    "ResNeXt50[input_shape=96x96x3]",
    "CSPResNet50[input_shape=128x128x3]",
    "DenseNet121[input_shape=96x96x3]",
    "SqueezeNet[input_shape=128x128x3]",
    "SqueezeNet1_1[input_shape=160x160x3]",
    "ShuffleNetV2[input_shape=160x160x3]",
    "MobileNet[alpha=0.5,input_shape=128x128x3]",
    "MobileNetV2[alpha=0.35,input_shape=96x96x3]",
    "MobileNetV2[input_shape=160x160x3]",
    "MobileNetV3Small[input_shape=128x128x3]",
    "EfficientNetB0[input_shape=128x128x3]",
    "EfficientNetLite0[input_shape=160x160x3]",
    "EfficientNetV2B0[input_shape=128x128x3]",
)
QUICK = NETWORKS[:2]

SUITE = """name: forecast
description: Small networks of many families, to fit and to judge forecasts of latency.
models:
{models}
probes:
  static:  {{batch_sizes: [1]}}
  latency: {{runtimes: [litert], threads: [all, 1], min_rounds: 2, max_rounds: 2}}
limits: {{timeout: 5min, memory: 8GiB}}
"""


def suite(networks: tuple[str, ...] = NETWORKS) -> str:
    """Return the suite as YAML."""
    return SUITE.format(models="\n".join(f'  - "{name}"' for name in networks))


def boosted(table: TrainingSet) -> Fitted:
    """Fit the costs, and trees that correct the logarithm by the costs per MAC."""
    base = fitting.by_costs(table)
    trees = GradientBoostingRegressor(
        n_estimators=60, max_depth=2, learning_rate=0.1, subsample=0.7, random_state=0
    )
    wrong = np.log(table.seconds / base(table.costs, table.macs))
    trees.fit(shares(table.costs, table.macs), wrong)
    return lambda costs, macs: base(costs, macs) * np.exp(trees.predict(shares(costs, macs)))


def shares(costs: np.ndarray, macs: np.ndarray) -> np.ndarray:
    """Return every cost per multiply-add, and the multiply-adds, as logarithms."""
    macs = np.maximum(macs, 1)[:, None]
    return np.log(np.hstack([costs / macs + 1e-9, macs]))


def compare(results: Path, environment: str | None) -> None:
    """Print the error of each way of fitting on families left out, by call path."""
    here = evidence.fingerprint_of(results, environment) if environment else fingerprint()
    for path in evidence.gather(results, here).paths:
        table, _ = evidence.table(path.networks, Counts(results))
        if not table.is_enough:
            continue
        print(f"{path.setting}: {len(table.names)} networks, {len(set(table.families))} families")
        ways = {"MACs": fitting.by_macs, "costs": fitting.by_costs, "boosted costs": boosted}
        for name, way in ways.items():
            begin = time.perf_counter()
            errors = fitting.errors(table, fitting.held_out(table, way))
            took = time.perf_counter() - begin
            print(
                f"  {name:14} median {np.median(errors):6.1%}   90 % below "
                f"{np.quantile(errors, 0.9):6.1%}   largest {errors.max():6.1%}   {took:.1f} s"
            )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=Path("results"), help="results folder")
    parser.add_argument("--quick", action="store_true", help="only the two smallest networks")
    parser.add_argument("--dry-run", action="store_true", help="print the suite, measure nothing")
    parser.add_argument("--compare", action="store_true", help="compare ways of fitting")
    parser.add_argument("--environment", help="id of another machine's environment")
    arguments = parser.parse_args()
    if arguments.compare:
        compare(arguments.out, arguments.environment)
        return
    text = suite(QUICK if arguments.quick else NETWORKS)
    if arguments.dry_run:
        print(text, end="")
        return
    done = cnnbench.run(text, out=arguments.out, progress=True)
    print(done.path)
    command = [sys.executable, "-m", "cnnbench", "forecast", "--results", str(arguments.out)]
    sys.exit(0 if arguments.quick else subprocess.run(command, check=False).returncode)


if __name__ == "__main__":
    main()
