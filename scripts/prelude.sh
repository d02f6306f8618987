# What every script here begins with: strict, in the root, the same places and switches for all.
# shellcheck shell=bash

set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cd "$root"

# Where toolchains are when the shell has not been told.
export PATH="$PATH:${HOME:-/root}/.cargo/bin:/usr/local/go/bin"

# What is worth keeping over `make clean` and a new clone: programs by version or content, the Python environment.
cache=${XDG_CACHE_HOME:-${HOME:-/root}/.cache}/outbound-call-gateway

# Where cargo builds.
target=${CARGO_TARGET_DIR:-$root/target}

# The Go programs: the toolchain that is there, no C, nothing but what go.sum names.
export GOTOOLCHAIN=local CGO_ENABLED=0

say() { printf '%s\n' "$*" >&2; }

die() {
    say "$*"
    exit 1
}

# The SHA-256 over the contents of files, to name what was built from them.
content_hash() {
    if command -v sha256sum >/dev/null; then cat "$@" | sha256sum; else cat "$@" | shasum -a 256; fi | cut -c1-16
}
