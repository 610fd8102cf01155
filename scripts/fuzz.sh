#!/usr/bin/env bash
# Runs every fuzz target for a while: `make fuzz SECONDS_EACH=600`, one of them: `make fuzz TARGET=settings`.
#
# The targets are built with the coverage instrumentation that libFuzzer needs and without a sanitizer, which the
# stable compiler can do; there is no `unsafe` in the code under test for a sanitizer to watch. What is found stays in
# fuzz/artifacts/, the corpus in fuzz/corpus/. With nightly, `cargo fuzz run <target>` does the same with sanitizer.

set -euo pipefail
cd "$(dirname "$0")/.."

readonly SECONDS_EACH=${SECONDS_EACH:-60}
readonly INSTRUMENTATION="--cfg fuzzing -Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 \
-Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table \
-Cllvm-args=-sanitizer-coverage-trace-compares -Ccodegen-units=1 -Cdebug-assertions"

main() {
    local host targets target
    host=$(rustc -vV | sed -n 's/^host: //p')
    targets=${TARGET:-$(sed -n 's/^name = "\(.*\)"/\1/p' fuzz/Cargo.toml | tail -n +2)}
    # With --target the flags are for the targets and not for build scripts.
    RUSTFLAGS="$INSTRUMENTATION" cargo build --release --manifest-path fuzz/Cargo.toml \
        --target "$host" --target-dir target/fuzz
    for target in $targets; do
        printf '== fuzz %s for %s s\n' "$target" "$SECONDS_EACH" >&2
        mkdir -p "fuzz/corpus/$target" "fuzz/artifacts/$target"
        "target/fuzz/$host/release/$target" "-max_total_time=$SECONDS_EACH" -print_final_stats=1 \
            "-artifact_prefix=fuzz/artifacts/$target/" "fuzz/corpus/$target" 2>&1 | tail -n 20
    done
}

main "$@"
