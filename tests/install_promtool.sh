#!/usr/bin/env bash
# Puts promtool, out of Debian's package `prometheus`, into /usr/local/bin if there is none. The
# package is not installed: that would start a Prometheus on this machine. Without promtool the tests
# that need it say SKIPPED, so nothing here is an error.
set -uo pipefail
command -v promtool >/dev/null && exit 0

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
chmod 755 "$folder" # apt fetches as a user of its own where it can.
as_root=()
[[ $(id -u) -ne 0 ]] && as_root=(sudo -n)
if (cd "$folder" && apt-get download -qq prometheus >/dev/null 2>&1) &&
  dpkg-deb --fsys-tarfile "$folder"/prometheus_*.deb | tar -x -C "$folder" ./usr/bin/promtool &&
  "${as_root[@]}" install -m 755 "$folder/usr/bin/promtool" /usr/local/bin/; then
  echo "installed: /usr/local/bin/promtool"
else
  echo "promtool is not here and cannot be fetched: its tests will be skipped" >&2
fi
