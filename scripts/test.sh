#!/usr/bin/env bash
# Lint, then every test, then what the runner counted as the very last line. ARGS go to the runner.
#
# Tests run under cargo-nextest where it is installed (a process per test, a limit on the time of each, a count at the
# end), else under `cargo test`, whose counts are added up here in the same form. A failed lint does not keep the tests
# from running, nor does a failed test keep the others; the exit status is 0 only if all went well.

set -uo pipefail
cd "$(dirname "$0")/.."

export FAILSOFT_TEST_PYTHON="$PWD/target/test-clients/venv/bin/python"
export FAILSOFT_TEST_NODE_MODULES="$PWD/target/test-clients/node_modules"
export CARGO_TERM_COLOR=${CARGO_TERM_COLOR:-auto}

# Longer than any healthy run, for runners that do not limit single tests.
readonly LONGEST=50m

log=$(mktemp)
trap 'rm -f "$log"' EXIT
status=0
troubles=()
packages=(--workspace --features failsoft/redis,failsoft/postcard)

main() {
    # `-p` chooses among the packages only where `--workspace` does not name them all.
    case " $*" in *" -p"* | *" --package"*) packages=() ;; esac
    scripts/lint.sh without-tidy || trouble "lint found something"
    if cargo nextest --version >/dev/null 2>&1; then
        with_nextest "$@"
    else
        with_cargo_test "$@"
    fi
    doctests
    [ ${#troubles[@]} -eq 0 ] || printf '%s\n' "" "${troubles[@]}"
    printf '%s\n' "$doctest_summary" "$summary"
    exit "$status"
}

trouble() {
    status=1
    troubles+=("FAILED: $1")
}

with_nextest() {
    printf '== cargo nextest\n' >&2
    cargo nextest run --locked "${packages[@]}" --no-fail-fast "$@" 2>&1 | tee "$log"
    [ "${PIPESTATUS[0]}" -eq 0 ] || trouble "tests (the runner's own words are above)"
    summary=$(plain <"$log" | grep -E '^ +Summary \[' | tail -n 1)
    : "${summary:=     Summary: the tests could not be built}"
}

with_cargo_test() {
    printf '== cargo test (cargo-nextest is not installed)\n' >&2
    timeout --foreground "$LONGEST" cargo test --locked "${packages[@]}" --lib --bins --tests --no-fail-fast "$@" 2>&1 | tee "$log"
    [ "${PIPESTATUS[0]}" -eq 0 ] || trouble "tests (the runner's own words are above)"
    summary="     Summary $(counted)"
}

doctests() {
    printf '== doctests\n' >&2
    cargo test --locked --workspace --features failsoft/redis,failsoft/postcard --doc --quiet 2>&1 | tee "$log"
    [ "${PIPESTATUS[0]}" -eq 0 ] || trouble "doctests"
    doctest_summary="    Doctests $(counted)"
}

# The `test result:` lines of all binaries, added up.
counted() {
    plain <"$log" | awk '/^test result:/ { passed += $4; failed += $6; skipped += $8 }
        END { printf "%d tests run: %d passed, %d failed, %d skipped\n", passed + failed, passed, failed, skipped }'
}

plain() {
    sed 's/\x1b\[[0-9;]*m//g'
}

main "$@"
