#!/usr/bin/env bash
# Everything that can be said about the code without running it: format, clippy, docs, dependencies, the tidy tests.
#
# All are run whatever the first ones find; the exit status is 1 if any found something. What cargo deny checks
# (licences, sources, bans) the tidy tests check as well, so it adds to them where it is installed and is not missed
# where it is not: building it takes longer than all the rest.

set -uo pipefail
cd "$(dirname "$0")/.."

failed=()

main() {
    check "cargo fmt" cargo fmt --all --check
    check "cargo clippy" cargo clippy --locked --workspace --features failsoft/redis,failsoft/postcard --all-targets -- -D warnings
    # What programs link against is documented, and its links lead somewhere.
    check "cargo doc" env RUSTDOCFLAGS="-D warnings" cargo doc --locked --quiet -p failsoft --features redis,postcard --no-deps
    if cargo deny --version >/dev/null 2>&1; then
        check "cargo deny" cargo deny --locked --offline --log-level warn check --hide-inclusion-graph bans licenses sources
    fi
    # In a full test run they run with all the others.
    [ "${1:-}" = without-tidy ] || check "tidy" cargo test --locked --quiet -p failsoft-tidy
    [ ${#failed[@]} -eq 0 ] || { printf 'lint: %s found something\n' "${failed[@]}" >&2; exit 1; }
}

check() {
    local name=$1
    shift
    printf '== %s\n' "$name" >&2
    "$@" || failed+=("$name")
}

main "$@"
