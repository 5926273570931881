#!/usr/bin/env bash
# What a dead server costs, and what copies cost when none dies (bench/README.md): measures, writes
# bench/results/failover.csv and draws docs/failover.svg and docs/goodput.svg. About eight minutes.
#
#   bench/failover/failover.sh            # needs Debian's gnuplot-nox; --quick only tries it out
set -euo pipefail
cd "$(dirname "$0")/../.."
command -v gnuplot >/dev/null || { echo "error: install gnuplot-nox" >&2; exit 1; }
bazel build --noshow_progress --ui_event_filters=-info \
  //bench/failover //server:paceline-server //worker:paceline-worker //cli:paceline
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

(cd bazel-bin && TEST_TMPDIR="$folder" bench/failover/failover --into "$folder" "$@")
{ echo "measure,of,value,unit"; cat "$folder/measures.csv"; } >bench/results/failover.csv

gnuplot <<EOP
set terminal svg size 900,420 font "sans-serif,14" background "white"
set grid
set key bottom right
set output "docs/failover.svg"
set title "How long a job stands still when the primary of a partition is gone (2 copies)"
set xlabel "seconds"
set ylabel "share of the cases"
set xrange [0:3]
set yrange [0:1.02]
plot "$folder/pauses-kill.dat" using 1:2 with steps lw 2 title "kill -9", \
     "$folder/pauses-stop.dat" using 1:2 with steps lw 2 title "SIGSTOP: only the lease tells"
set output "docs/goodput.svg"
set title "Fashion-MNIST, 4 workers and 3 servers, one of them killed every 10 s"
set xlabel "seconds since the first data shard"
set ylabel "thousand samples applied"
set autoscale xy
plot "$folder/progress-copies-calm.dat" using 1:(\$2/1000) with lines lw 2 title "2 copies, nobody killed", \
     "$folder/progress-copies.dat" using 1:(\$2/1000) with lines lw 2 title "2 copies", \
     "$folder/progress-checkpoints.dat" using 1:(\$2/1000) with lines lw 2 title "1 copy, back to the checkpoint of every 2 s"
EOP
echo "wrote bench/results/failover.csv, docs/failover.svg and docs/goodput.svg"
