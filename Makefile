# The two commands of the README are `make run` and `make test`; each does its own set-up.
SHELL := /bin/bash
MODEL_DIR = $(shell scripts/fetch-local-model --print 2>/dev/null)

.PHONY: run fleet test test-failures test-fleet soak test-reference bench bench-fleet bench-micro page build model fmt lint clean

## Builds everything in release mode and starts the server on http://localhost:8080.
run: page
	cargo build --release -p antiphon -p antiphon-local
	scripts/fetch-local-model || echo "Going on without the local model; connect a provider to get answers."
	exec target/release/antiphon serve

## Starts Redis, PostgreSQL, three nodes and nginx in front of them, ready to click. KIND: standalone, sentinel or cluster.
fleet: page
	scripts/fleet $(or $(KIND),standalone)

## Checks format and lints, then runs every test. Ends with `N passed, N failed`.
test:
	scripts/test

## Breaks Redis under a node in every way and topology; what was measured goes to target/failures.jsonl. Not a part of `make test`.
test-failures:
	rm -f target/failures.jsonl
	ANTIPHON_TEST_FAILURES=1 cargo test -p antiphon --test it redis::failures -- --nocapture
	scripts/failure-modes

## All that a fleet promises in each topology, while Redis is broken in each way and after it. `make test` runs it unbroken.
test-fleet:
	ANTIPHON_TEST_FAILURES=1 cargo test -p antiphon --test it fleet::suite -- --nocapture

## Ten minutes of random failures under nodes of each topology (SOAK_SECONDS); ANTIPHON_TEST_SEED repeats a run.
soak:
	ANTIPHON_TEST_NODE_SOAK_SECONDS=$(or $(SOAK_SECONDS),600) cargo test -p antiphon --test it redis::soak -- --nocapture

## Tests the server with the reference's own web client and next to its own server, which are fetched once. Not a part of `make test`.
test-reference:
	scripts/test-reference

## Runs the benchmarks and prints the figures (BENCH_REFERENCE=1 also measures the reference, see docs/benchmarks.md).
bench: page
	scripts/bench

## Two nodes with one Redis and one PostgreSQL (BENCH_REFERENCE=1: two of the reference; BENCH_PEERS=1: plain Socket.IO servers).
bench-fleet: page
	scripts/bench-fleet

## CPU time of one step of each hot path, in nanoseconds per operation.
bench-micro:
	scripts/bench micro

## Builds the web page into web/dist, if its sources changed.
page:
	scripts/build-page

build: page
	cargo build --release -p antiphon -p antiphon-local

fmt:
	cargo fmt --all

lint:
	cargo fmt --all --check
	cargo clippy --workspace --all-targets -- -D warnings

clean:
	cargo clean
	rm -rf web/dist web/node_modules testing/browser/node_modules testing/load/peers/node/node_modules
