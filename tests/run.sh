#!/usr/bin/env bash
# Installs what is missing, builds everything, runs every test. The last line counts test targets,
# each configuration apart: "N passed, M failed"; the exit status is 0 only if M is 0.
#
#   tests/run.sh            everything, as continuous integration does
#   tests/run.sh --quick    the default configuration alone
set -uo pipefail
root=$(cd "$(dirname "$0")/.." && pwd)
cd "$root"
quick=${1:-}

passed=0
failed=0
log=$(mktemp)
trap 'rm -f "$log"' EXIT

say() { printf '\n== %s (%dm%02ds)\n' "$*" $((SECONDS / 60)) $((SECONDS % 60)); }

# step NAME COMMAND...: counts as one target, for what is not a test by itself.
step() {
  local name=$1
  shift
  say "$name"
  if "$@"; then
    passed=$((passed + 1))
  else
    failed=$((failed + 1))
    echo "FAILED: $name"
  fi
}

# suite NAME ARGUMENTS...: `bazel test ARGUMENTS`, each target counted.
suite() {
  local name=$1
  shift
  say "$name"
  bazel test --keep_going --noshow_progress --test_summary=short "$@" 2>&1 | tee "$log"
  local status=${PIPESTATUS[0]} good bad
  good=$(grep -cE '^//[^ ]+ +(\(cached\) )?PASSED' "$log")
  bad=$(grep -cE '^//[^ ]+ .*(FAILED|TIMEOUT|NO STATUS|FLAKY)' "$log")
  # A build that broke before any target was judged is a failure too.
  [[ $status -ne 0 && $bad -eq 0 ]] && bad=1
  passed=$((passed + good))
  failed=$((failed + bad))
}

deploy/install_packages.sh || exit 1
tests/install_promtool.sh

step "build" bazel build --noshow_progress //...
suite "tests" //...
echo "fresh simulator seeds: $(grep -hE '^[0-9]+ seeds from' bazel-testlogs/tests/sim/fresh_seeds_test/test.log)"
if [[ "$quick" != --quick ]]; then
  suite "tsan: the rooms without gRPC, and the simulator" --config=tsan --build_tests_only \
    --test_tag_filters=-no-tsan //common/... //server/partition/... //server/replica/... \
    //server/coordinator/... //server/store/... //worker/loop/... //tests/sim/...
  # asan has all checks of --config=law, and here builds all of //...: law alone would find no more.
  suite "law and asan: lock annotations, layering; addresses, undefined behaviour" \
    --config=asan --test_tag_filters=-no-asan //...
fi

echo
echo "$passed passed, $failed failed"
[[ $failed -eq 0 && $passed -gt 0 ]]
