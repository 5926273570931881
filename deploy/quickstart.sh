#!/usr/bin/env bash
# From a clean clone to a trained model: installs what is missing, builds, starts 2 servers and 4
# workers on this machine, trains a classifier on Fashion-MNIST, shows the result, stops them all.
#
#   deploy/quickstart.sh [arguments of `paceline run`, such as --set consistency=async]
set -euo pipefail
root=$(cd "$(dirname "$0")/.." && pwd)
cd "$root"

deploy/install_packages.sh
echo "building (the first time takes some minutes) ..."
bazel build --ui_event_filters=-info --noshow_progress //:server //:worker //:cli
exec bazel-bin/cli/paceline run examples/fashion-mnist/job.yaml "$@"
