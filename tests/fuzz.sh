#!/usr/bin/env bash
# Builds every fuzz target with libFuzzer, AddressSanitizer and UndefinedBehaviorSanitizer, and runs
# each on its corpus for SECONDS (60). New inputs go to a scratch folder; a finding is printed with the
# file that reproduces it.
#
#   tests/fuzz.sh [SECONDS]
set -euo pipefail
cd "$(dirname "$0")/.."
seconds=${1:-60}
deploy/install_packages.sh

targets=$(bazel query 'attr(name, "_fuzz$", tests(//...))' 2>/dev/null)
# shellcheck disable=SC2086  # One word a target.
bazel build --config=fuzz --noshow_progress --symlink_prefix=/tmp/paceline-fuzz- $targets
scratch=$(mktemp -d)
failed=0
for target in $targets; do
  package=${target#//}
  package=${package%%:*}
  name=${target##*:}
  corpus=$package/corpus
  [[ -d $corpus/${name%_fuzz} ]] && corpus=$corpus/${name%_fuzz}
  mkdir -p "$scratch/$name"
  echo "== $target, $seconds s, corpus $corpus"
  "/tmp/paceline-fuzz-bin/$package/$name" -max_total_time="$seconds" -max_len=4096 \
    -rss_limit_mb=2048 -print_final_stats=1 -artifact_prefix="$scratch/" "$scratch/$name" "$corpus" \
    >"$scratch/$name.log" 2>&1 || { failed=1; tail -n 40 "$scratch/$name.log"; }
  grep -E 'number_of_executed_units|peak_rss_mb' "$scratch/$name.log" || true
done
exit $failed
