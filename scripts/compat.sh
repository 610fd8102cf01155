#!/usr/bin/env bash
# Other people's tests, through failsoft and without it, test by test: scripts/compat/__main__.py says how.
#
# What has to be downloaded is downloaded first; then everything runs in a network of its own, if the machine lets a user
# have one: ports are nobody else's there, and some suites know no other port than 6379.

set -euo pipefail
cd "$(dirname "$0")/.."

python3 scripts/compat --prepare "$@"
if unshare --map-root-user --net ip link set lo up 2>/dev/null; then
    exec unshare --map-root-user --net sh -c 'ip link set lo up && exec python3 scripts/compat "$@"' compat "$@"
fi
exec python3 scripts/compat "$@"
