# `make` alone prints what there is. Rust builds go to $CARGO_TARGET_DIR (default: target/), in two profiles only:
# dev for every test, release for `run` and `bench`.

SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

TARGET := $(or $(CARGO_TARGET_DIR),target)
CACHE := $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/trefoil
VENV := $(CACHE)/venv
PYTHON := $(VENV)/bin/python
export TREFOIL_BIN_DIR ?= $(abspath $(TARGET))/debug

.PHONY: help
help: ## Print this list
	@grep -hE '^[a-z0-9-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-12s %s\n", $$1, $$2}'

.PHONY: run
run: ## Build the release binary and start it with its data in ./trefoil-data
	cargo build --release -p trefoil
	exec $(TARGET)/release/trefoil serve $(ARGS)

.PHONY: build
build: ## Build everything for development
	@# With the tests, so that crates have the features that the tests give them: one build for both.
	cargo build --workspace --bins --tests

.PHONY: test
test: test-rust test-e2e ## Run all tests

.PHONY: test-rust
test-rust: check-deps ## Run the Rust tests
	PATH="$(VENV)/bin:$$PATH" cargo test --workspace

.PHONY: test-e2e
test-e2e: check-deps build ## Run the end-to-end tests: real clients, servers and kills (PYTEST_ARGS='-k crash' for some)
	$(PYTHON) -m pytest tests $(PYTEST_ARGS)

.PHONY: lint
lint: deny ## Check formatting, dependencies and clippy, warnings being errors
	cargo fmt --all --check
	cargo clippy --workspace --all-targets -- -D warnings

DENY_CHECKS ?= bans licenses sources

.PHONY: deny
deny: ## Check where dependencies come from and their licences (DENY_CHECKS=advisories: known holes, from GitHub)
	scripts/install-tool cargo-deny 0.20.2
	$(CACHE)/tools/bin/cargo-deny --workspace check $(DENY_CHECKS)

.PHONY: fmt
fmt: ## Format the Rust code
	cargo fmt --all

FUZZ_TARGETS ?= $(basename $(notdir $(wildcard fuzz/targets/*.rs)))
FUZZ_SECONDS ?= 60

.PHONY: fuzz
fuzz: ## Fuzz what reads bytes from outside, a minute a target (FUZZ_SECONDS=300 FUZZ_TARGETS='log_replay body')
	scripts/fuzz $(FUZZ_SECONDS) $(FUZZ_TARGETS)

.PHONY: bench
bench: $(VENV)/.installed ## Measure a release build against the bars of benches/RESULTS.md (needs a quiet machine)
	cargo build --release -p trefoil -p trefoil-loadgen
	TREFOIL_BIN_DIR=$(abspath $(TARGET))/release $(PYTHON) benches/bench.py $(BENCH_ARGS)

.PHONY: check-deps
check-deps: $(VENV)/.installed ## Install what the tests need on Debian: PostgreSQL, and Python packages in a venv
	scripts/install-deps

# The venv is remade when the interpreter that made it is gone.
$(VENV)/.installed: tests/requirements.txt examples/python/requirements.txt
	scripts/install-deps
	$(PYTHON) --version >/dev/null 2>&1 || { rm -rf $(VENV); mkdir -p $(CACHE); python3 -m venv $(VENV); }
	$(VENV)/bin/pip install --quiet --disable-pip-version-check -r tests/requirements.txt
	touch $@
