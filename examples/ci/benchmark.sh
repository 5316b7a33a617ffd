#!/usr/bin/env bash
# Measure the networks of a suite at this commit, and compare them with a base.
#
#   benchmark.sh SUITE BASE [OPTION]...
#
# SUITE    a suite file, relative to the current folder, which is in a git repository
# BASE     a git revision, measured here as well, at its merge base with this commit; or a kept
#          baseline: the folder of a run, or a report.csv
# OPTION   of `cnnbench compare`, for example --require latency --threshold macs=1% --accept kernel
#
# The runs and comparison.md are left in $BENCHMARK_OUT (default: benchmark-results). On GitHub the
# Markdown is also added to the summary of the job. The exit code is that of `cnnbench compare`: 1
# for a regression or a failed check. It is 1 as well if a job failed, and 2 for a mistake.
set -euo pipefail

fail() {
  printf 'benchmark.sh: %s\n' "$1" >&2
  exit 2
}

# measure NAME: run the suite of the current folder; the exit code is that of `cnnbench run`.
measure() {
  printf '== %s\n' "$1" >&2
  cnnbench run "$suite" --fresh --out "$out/$1" >"$out/$1.txt"
}

# newest NAME: print the folder of the suite that `measure NAME` has run.
newest() {
  local folders=("$out/$1"/*/)
  printf '%s' "${folders[0]%/}"
}

# publish: show the Markdown, and add it to the summary of the job.
publish() {
  cat "$out/comparison.md"
  if [[ -n "${GITHUB_STEP_SUMMARY:-}" ]]; then
    cat "$out/comparison.md" >>"$GITHUB_STEP_SUMMARY"
  fi
}

[[ $# -ge 2 ]] || fail "usage: benchmark.sh SUITE BASE [OPTION OF cnnbench compare]..."
suite=$1 base=$2
shift 2
[[ -f "$suite" ]] || fail "no suite '$suite' here"
mkdir -p "${BENCHMARK_OUT:-benchmark-results}"
out=$(cd "${BENCHMARK_OUT:-benchmark-results}" && pwd)
[[ ! -e "$out/head" && ! -e "$out/base" ]] || fail "'$out' has the runs of an earlier benchmark"

if [[ ! -e "$base" ]]; then
  commit=$(git merge-base HEAD "$base") || fail "'$base' is no file and no revision to compare with"
  prefix=$(git rev-parse --show-prefix)
  tree=$(mktemp -d)
  trap 'git worktree remove --force "$tree" || true' EXIT
  git worktree add --quiet --detach "$tree" "$commit"
  base=
  if [[ -f "$tree/$prefix$suite" ]]; then
    code=0
    (cd "$tree/$prefix" && measure base) || code=$?
    # A job that failed is compared too; a mistake or an interruption ends the benchmark.
    [[ $code -le 1 ]] || exit "$code"
    base=$(newest base)
  fi
fi

failed=0
measure head || failed=$?
[[ $failed -le 1 ]] || exit "$failed"

if [[ -z "$base" ]]; then
  printf 'The base has no suite %s: nothing was compared.\n' "$suite" >"$out/comparison.md"
  publish
  exit "$failed"
fi
code=0
cnnbench compare "$base" "$(newest head)" --format md "$@" >"$out/comparison.md" || code=$?
publish
[[ $code -ne 0 ]] || code=$failed
exit "$code"
