#!/bin/bash
# Checks the CUDA backend on a machine with a GPU: the contract suite and the models' tests, as they
# are, then under compute-sanitizer's memcheck and racecheck. Prints a summary; exits non-zero if
# anything failed or if CUDA was skipped.
#
# Usage    check.sh [folder with contract_test, model_test and layers_test, or with their .gz;
#          default: this script's own]
# Build    bazel build -c opt --config=cuda --define=static=true --strip=always \
#              //kernels:contract_test //worker/model:model_test //worker/model:layers_test
#          and copy bazel-bin/kernels/contract_test, bazel-bin/worker/model/model_test,
#          bazel-bin/worker/model/layers_test and this script into one folder, gzipped or not.
set -u
cd "${1:-$(dirname "$0")}" || exit 2
for packed in *_test.gz; do
  if [[ -e $packed ]]; then gunzip --force --keep "$packed"; fi
done

# cuBLAS comes with the CUDA toolkit or with Python's wheels (nvidia-cublas), in one folder or more.
wheels=$(python3 - 2>/dev/null <<'PYTHON'
import glob, site, sys
folders = site.getsitepackages() + [p for p in sys.path if p.endswith("site-packages")]
found = [f for d in folders for f in glob.glob(d + "/nvidia/*/lib/libcublas.so.13")]
print(":".join(dict.fromkeys(f.rsplit("/", 1)[0] for f in found)))
PYTHON
)
export LD_LIBRARY_PATH="${LD_LIBRARY_PATH:+$LD_LIBRARY_PATH:}$wheels"

logs=$(mktemp -d)
failed=0
summary=""

# check NAME COMMAND...: runs it, shows the end of what it printed, notes how it went.
check() {
  local name=$1 begin=$SECONDS result=passed
  shift
  echo "== $name: $*"
  "$@" >"$logs/$name" 2>&1
  local code=$?
  tail -n 25 "$logs/$name"
  if ((code != 0)); then
    result="FAILED (exit $code)"
    failed=1
  fi
  summary+=$(printf '%-28s %s, %d s' "$name" "$result" $((SECONDS - begin)))$'\n'
}

# The suite says which backends it runs; a run without CUDA proves nothing here.
require_cuda() {
  if ! grep -q '^RUNNING cuda' "$logs/contract"; then
    summary+="cuda                         FAILED: $(grep '^SKIPPED' "$logs/contract")"$'\n'
    failed=1
  fi
}

nvidia-smi --query-gpu=name,driver_version,memory.total --format=csv,noheader
check contract ./contract_test
require_cuda
check model ./model_test
check layers ./layers_test

sanitizer=$(command -v compute-sanitizer || ls /usr/local/cuda/bin/compute-sanitizer 2>/dev/null)
if [[ -z $sanitizer ]]; then
  summary+="compute-sanitizer            FAILED: not found"$'\n'
  failed=1
else
  # API errors are not reported: the suite asks for more memory than there is, on purpose.
  for tool in memcheck racecheck; do
    for program in contract model layers; do
      check "$program-$tool" "$sanitizer" --tool "$tool" --report-api-errors no \
        --error-exitcode 99 "./${program}_test"
    done
  done
fi

echo "== summary"
grep -h '^RUNNING\|^SKIPPED' "$logs/contract"
printf '%s' "$summary"
rm -r "$logs"
exit $failed
