#!/usr/bin/env bash
# Builds the page into `dist`. It has to be served: python3 -m http.server --directory dist
#
# Debian: apt-get install rustc-web cargo-web rust-web-src lld-22 brings a Rust that can make wasm; elsewhere
# `rustup target add wasm32-unknown-unknown` does. wasm-bindgen's program is installed in the version of Cargo.lock.
set -euo pipefail
cd "$(dirname "$0")"
target_dir=${CARGO_TARGET_DIR:-$PWD/target}
version=$(sed -n '/^name = "wasm-bindgen"$/{n;s/version = "\(.*\)"/\1/p}' Cargo.lock)
if [ "$("$target_dir/tools/bin/wasm-bindgen" --version 2>/dev/null || true)" != "wasm-bindgen $version" ]; then
    cargo install wasm-bindgen-cli --version "$version" --root "$target_dir/tools" --target-dir "$target_dir/wasm-bindgen"
fi
target=wasm32-unknown-unknown
build=(build --lib --release --locked --target "$target" --target-dir "$target_dir")
export RUSTFLAGS='--cfg getrandom_backend="wasm_js"'
if rustup target list --installed 2>/dev/null | grep -qx "$target"; then
    cargo "${build[@]}"
else
    export RUSTC=/usr/bin/rustc RUSTC_BOOTSTRAP=1 CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_LINKER=wasm-ld-22
    /usr/bin/cargo "${build[@]}" -Z build-std=std,panic_abort
fi
mkdir -p dist/models
"$target_dir/tools/bin/wasm-bindgen" --target web --no-typescript --remove-name-section --remove-producers-section --out-dir dist "$target_dir/$target/release/bilevel_web.wasm"
cp page/* dist/
cp ../../assets/models/{denoise,deblur}-wcrr-*.safetensors dist/models/
cp ../../assets/images/test/hawaMahal.png dist/photograph.png
