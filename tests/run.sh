#!/usr/bin/env bash
# Placeholder shape of the runner; grows with the suites.
set -euo pipefail
cd "$(dirname "$0")/.."
[ -d build ] || meson setup build
ninja -C build
meson test -C build --suite unit
