#!/usr/bin/env bash
# Runs every fuzzer of BUILD_DIR for SECONDS each, from its committed seeds. Fails at the first finding.
#   scripts/fuzz.sh BUILD_DIR SECONDS
set -euo pipefail
root=$(cd "$(dirname "$0")/.." && pwd)
build=$1 seconds=$2
for program in $(find "$build" -maxdepth 3 -name 'fuzz_*' -type f -executable | sort); do
  name=$(basename "$program") name=${name#fuzz_}
  corpus=$build/corpus/$name
  mkdir -p "$corpus"
  seeds=$root/tests/fuzz/seeds/$name
  echo "fuzz $name for $seconds s"
  "$program" -max_total_time="$seconds" -print_final_stats=1 -artifact_prefix="$build/" "$corpus" $([[ ! -d $seeds ]] || echo "$seeds") 2>&1 | tail -n 4
done
