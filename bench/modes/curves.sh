#!/usr/bin/env bash
# Loss against time in the three modes (sync without help for the slow one), on three workers and one that computes five times slower:
# runs them one after the other, draws docs/modes.svg and prints the throughputs.
#
#   bench/modes/curves.sh            # needs a built tree and Debian's gnuplot-nox
#
# Every worker is slowed down, the slow one five times more, so that the machine's few cores are
# not what they compete for.
set -euo pipefail
cd "$(dirname "$0")/../.."
command -v gnuplot >/dev/null || { echo "error: install gnuplot-nox" >&2; exit 1; }
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

fast=${FAST:-8}
for mode in '{sync: {speculate: false}}' '{ssp: 3}' async; do
  name=$(tr -dc 'a-z0-9' <<<"$mode")
  bazel-bin/cli/paceline run examples/fashion-mnist/job.yaml --json --plain \
    --run-dir "$folder/$name" --set "consistency=$mode" --set train.epochs=4 \
    --worker-flag="worker-0:--slowdown=$fast" --worker-flag="worker-1:--slowdown=$fast" \
    --worker-flag="worker-2:--slowdown=$fast" --worker-flag="worker-3:--slowdown=$((fast * 5))" \
    >"$folder/$name.json" 2>"$folder/$name.err" || { cat "$folder/$name.err" >&2; exit 1; }
  sed -n 's/.*"wall_s":\([0-9.]*\),.*"state":"running".*"samples":\([0-9]*\),.*"loss":\([0-9.]*\),.*/\1 \3 \2/p' \
    "$folder/$name/metrics.jsonl" | awk '$1 > 0 && $2 > 0' >"$folder/$name.dat"
  printf '%-5s %s\n' "$name" "$(grep -E '"(samples_per_s|wall_s|accuracy)"' "$folder/$name.json" | tr -s ' \n' ' ')"
done

gnuplot <<EOF
set terminal svg size 900,480 font "sans-serif,14" background "white"
set output "docs/modes.svg"
set title "Fashion-MNIST, 3 workers and one 5 times slower, 4 epochs"
set xlabel "seconds since the first data shard"
set ylabel "training loss over the last second"
set logscale y
set yrange [0.25:2.5]
set ytics (0.3, 0.4, 0.5, 0.7, 1, 1.5, 2)
set grid
plot "$folder/syncspeculatefalse.dat" using 1:2 with lines lw 2 title "sync", \
     "$folder/ssp3.dat" using 1:2 with lines lw 2 title "ssp(3)", \
     "$folder/async.dat" using 1:2 with lines lw 2 title "async"
EOF
echo "wrote docs/modes.svg"
