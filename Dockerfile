# The program `bilevel`, with the data that its commands take where none are named:
#   docker build --tag bilevel .
#   docker run --rm --user "$(id -u)" --volume "$PWD:/bilevel/work" bilevel \
#       denoise work/photo.png -o work/clean.png
# For master and workers on many machines (docs/distributed.md):
#   docker build --build-arg FEATURES=zenoh --tag bilevel .
# The user is 10001 where none is named. It has to be allowed to write to what is mounted to be
# written to; in Kubernetes, `securityContext: {fsGroup: 10001}` in the pod's spec sees to that.

FROM rust:1-slim-bookworm AS builder
ARG FEATURES=""
ENV CARGO_INCREMENTAL=0
WORKDIR /source
COPY . .
RUN --mount=type=cache,target=/usr/local/cargo/registry \
    --mount=type=cache,target=/source/target \
    cargo build --release --locked --bin bilevel --features "$FEATURES" \
    && cp target/release/bilevel /usr/local/bin/bilevel

FROM debian:bookworm-slim
RUN useradd --uid 10001 --no-create-home --home-dir /bilevel --shell /usr/sbin/nologin bilevel \
    && install --directory --owner=bilevel --group=bilevel /bilevel
COPY --from=builder /usr/local/bin/bilevel /usr/local/bin/bilevel
COPY LICENSE-MIT LICENSE-APACHE /usr/share/doc/bilevel/
COPY assets /bilevel/assets
USER 10001
WORKDIR /bilevel
ENTRYPOINT ["bilevel"]
CMD ["--help"]
