#!/usr/bin/env bash
# Builds the page into the folder `dist`. Debian: apt-get install rustc-web cargo-web rust-web-src lld-22 (a Rust that can make wasm);
# elsewhere `rustup target add wasm32-unknown-unknown` does. Needs wasm-bindgen's program in the version of Cargo.lock.
set -euo pipefail
cd "$(dirname "$0")"
export RUSTFLAGS='--cfg getrandom_backend="wasm_js"'
target=wasm32-unknown-unknown
if [ -x /usr/share/cargo/bin/cargo ] && [ -x /usr/bin/rustc ] && ! rustup target list --installed 2>/dev/null | grep -q "$target"; then
    export RUSTC=/usr/bin/rustc RUSTC_BOOTSTRAP=1 CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_LINKER=wasm-ld-22
    /usr/bin/cargo build -Z build-std=std,panic_abort --target "$target" --release --locked --lib
else
    cargo build --target "$target" --release --locked --lib
fi
