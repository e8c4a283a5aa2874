#!/usr/bin/env bash
# Builds the wasm32-unknown-unknown standard library for the active rustc and puts it into a folder.
#
# For machines that reach package registries but not Rust's own servers. A standard library must come from the sources
# of exactly the compiler that will use it; Debian packages them (rust-src) for many versions, with nearly all crates
# they depend on. Nothing is installed: the package is only unpacked into a temporary folder.
#
# Usage: wasm-std-from-debian.sh FOLDER      (…/lib/rustlib/wasm32-unknown-unknown/lib)
set -euo pipefail
into=$1
triple=wasm32-unknown-unknown
version=$(rustc --version | cut -d' ' -f2 | cut -d- -f1)
mirror=${DEBIAN_MIRROR:-http://deb.debian.org/debian}
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

fetch() { # a private apt that knows the suites where newer compilers live
  mkdir -p "$scratch"/{lists/partial,archives/partial}
  local keys=/usr/share/keyrings/debian-archive-keyring.gpg signed=""
  [ -f $keys ] && signed="[signed-by=$keys]"
  printf "deb $signed $mirror %s main\n" trixie-backports trixie forky sid >"$scratch/suites"
  local apt=(-o "Dir::Etc::SourceList=$scratch/suites" -o Dir::Etc::SourceParts=/dev/null
    -o "Dir::State::Lists=$scratch/lists" -o "Dir::Cache=$scratch" -o APT::Sandbox::User=root
    -o Acquire::Languages=none -qq)
  apt-get "${apt[@]}" update
  local package
  package=$(apt-cache "${apt[@]}" madison rust-src | tr -d ' ' | cut -d'|' -f2 | grep -m1 "^${version//./\\.}+") || {
    echo "Debian has no rust-src $version" >&2
    return 1
  }
  (cd "$scratch" && apt-get "${apt[@]}" download "rust-src=$package")
  dpkg-deb -x "$scratch"/rust-src_*.deb "$scratch"
}

prepare() { # leaves what building needs and Debian's copy has: no tests, no C compiler wrapper
  cp -r "$(find "$scratch/usr/src" -maxdepth 3 -path "*rustc-$version*/library" -prune | head -n1)" "$scratch/library"
  cd "$scratch/library"
  sed -i -e '/"coretests",/d' -e '/"alloctests",/d' Cargo.toml
  local manifest
  for manifest in */Cargo.toml; do
    sed -i '/^\[.*dev-dependencies/,/^\[/{/^\[.*dev-dependencies/d;/^\[/!d}' "$manifest"
  done
  sed -i -e '/^cc = /d' -e 's/"dep:cc"//' compiler-builtins/compiler-builtins/Cargo.toml profiler_builtins/Cargo.toml
}

build() { # as the compiler's own build does it: the `sysroot` crate, marked as the real standard library
  env -u RUSTC_WRAPPER -u CARGO_ENCODED_RUSTFLAGS -u CARGO_BUILD_TARGET \
    CARGO_TARGET_DIR="$scratch/target" RUSTC_BOOTSTRAP=1 __CARGO_DEFAULT_LIB_METADATA=stablestd \
    RUSTFLAGS="-Zforce-unstable-if-unmarked -Cembed-bitcode=yes --remap-path-prefix=$scratch/library=/rustc/$version/library" \
    cargo build --quiet --release --target $triple --manifest-path sysroot/Cargo.toml \
    --features panic-unwind,backtrace "$@"
}

fetch
prepare
build --offline --config 'source.crates-io.replace-with="packaged"' \
  --config "source.packaged.directory=\"$scratch/library/vendor\"" 2>"$scratch/log" || {
  echo "not everything is packaged ($(grep -m1 '^error' "$scratch/log")); asking the registry" >&2
  build
}
rm -f "$scratch/target/$triple/release/deps/"libsysroot-*.rlib
# In one move: an interrupted copy must not look like an installation.
mkdir -p "$into.new"
cp "$scratch/target/$triple/release/deps/"*.rlib "$into.new"/
rm -rf "$into"
mv "$into.new" "$into"
