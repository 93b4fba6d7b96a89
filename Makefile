# `make` alone prints what there is. Rust builds go to $CARGO_TARGET_DIR (default: target/), in two profiles only:
# dev for every test, release for `run` and `bench`.

SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

TARGET := $(or $(CARGO_TARGET_DIR),target)
CACHE := $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/trefoil
VENV := $(CACHE)/venv
PYTHON := $(VENV)/bin/python
NODE_MODULES := ui/node_modules/.package-lock.json
export TREFOIL_BIN_DIR ?= $(abspath $(TARGET))/debug
# Of the Go module; v0.316.0 is 3.16.0.
PROMETHEUS_VERSION := v0.316.0
export TREFOIL_NEW_PROMETHEUS ?= $(CACHE)/prometheus-$(PROMETHEUS_VERSION)

.PHONY: help
help: ## Print this list
	@grep -hE '^[a-z0-9-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-12s %s\n", $$1, $$2}'

.PHONY: demo
demo: release ## Build all, start Trefoil with a bookstore that sends to it, and print the address (ARGS='--rate 50')
	exec $(TARGET)/release/trefoil demo --serve $(ARGS)

.PHONY: run
run: release ## Start Trefoil alone, with its data in ./trefoil-data (ARGS='--config trefoil.yaml')
	exec $(TARGET)/release/trefoil serve $(ARGS)

.PHONY: release
release: ui ## Build the release binary, the screens in it
	cargo build --release -p trefoil

.PHONY: dev
dev: $(NODE_MODULES) ## Show the screens with hot reload against a running server (TREFOIL_URL, default http://127.0.0.1:3000)
	cd ui && npm run dev

.PHONY: ui
ui: ui/dist/index.html ## Build the screens

UI_SOURCES := $(shell find ui/src ui/public ui/build -type f 2>/dev/null) ui/index.html ui/package.json ui/tsconfig.json ui/vite.config.ts

ui/dist/index.html: $(NODE_MODULES) $(UI_SOURCES)
	cd ui && npm run build

# npm writes this file last; it is the mark of a finished installation.
$(NODE_MODULES): ui/package-lock.json
	@node --version >/dev/null 2>&1 || { echo 'The screens need Node.js 20.19 or newer (https://nodejs.org) to be built.' >&2; exit 1; }
	cd ui && npm ci
	touch $@

.PHONY: build
build: ui ## Build everything for development
	@# With the tests, so that crates have the features that the tests give them: one build for both.
	cargo build --workspace --bins --tests

.PHONY: test
test: test-rust test-ui test-e2e test-screens ## Run all tests

.PHONY: test-rust
test-rust: check-deps ui ## Run the Rust tests
	PATH="$(VENV)/bin:$$PATH" cargo test --workspace

.PHONY: test-e2e
test-e2e: check-deps build ## Run the end-to-end tests: real clients, servers and kills (PYTEST_ARGS='-k crash' for some)
	$(PYTHON) -m pytest tests $(PYTEST_ARGS)

.PHONY: test-ui
test-ui: $(NODE_MODULES) ## Run the unit tests of the screens
	cd ui && npm test

.PHONY: test-screens
test-screens: check-deps build ## Run the screens in Chromium against the real server (E2E_ARGS='story' for some)
	cd ui && npm run e2e -- $(E2E_ARGS)

.PHONY: screenshots
screenshots: check-deps build ## Draw every screen in both themes and three widths, empty, with the demo's data and with far too much
	cd ui && npm run screenshots

.PHONY: lint
lint: deny lint-ui ## Check formatting, types, dependencies and clippy, warnings being errors
	cargo fmt --all --check
	cargo clippy --workspace --all-targets -- -D warnings

.PHONY: lint-ui
lint-ui: $(NODE_MODULES) ## Check the types and the form of the screens' code
	cd ui && npm run lint

DENY_CHECKS ?= bans licenses sources

.PHONY: deny
deny: ## Check where dependencies come from and their licences (DENY_CHECKS=advisories: known holes, from GitHub)
	scripts/install-tool cargo-deny 0.20.2
	$(CACHE)/tools/bin/cargo-deny --workspace check $(DENY_CHECKS)

.PHONY: fmt
fmt: $(NODE_MODULES) ## Format the code
	cargo fmt --all
	cd ui && npm run fix

FUZZ_TARGETS ?= $(basename $(notdir $(wildcard fuzz/targets/*.rs)))
FUZZ_SECONDS ?= 60

.PHONY: fuzz
fuzz: ## Fuzz what reads bytes from outside, a minute a target (FUZZ_SECONDS=300 FUZZ_TARGETS='log_replay body')
	scripts/fuzz $(FUZZ_SECONDS) $(FUZZ_TARGETS)

.PHONY: random-queries
random-queries: check-deps new-prometheus ## Compare answers to random PromQL with a real Prometheus' for an hour (ARGS='--seed 7 --count 500')
	cargo build --release -p trefoil -p trefoil-loadgen
	TREFOIL_BIN_DIR=$(abspath $(TARGET))/release $(PYTHON) tests/random_queries.py $(ARGS)

.PHONY: soak-tail
soak-tail: check-deps ## Tail lines under load for ten minutes and count them (ARGS='--seconds 60 --rate 10000')
	cargo build --release -p trefoil
	TREFOIL_BIN_DIR=$(abspath $(TARGET))/release $(PYTHON) tests/soak_tail.py $(ARGS)

.PHONY: new-prometheus
new-prometheus: ## Build a Prometheus newer than Debian's to compare with, once, where there is Go
	scripts/new-prometheus $(PROMETHEUS_VERSION) $(TREFOIL_NEW_PROMETHEUS)

.PHONY: bench
bench: $(VENV)/.installed ui ## Measure a release build against the bars of benches/RESULTS.md, or BENCH_ARGS=--metrics beside others (needs a quiet machine)
	cargo build --release -p trefoil -p trefoil-loadgen
	TREFOIL_BIN_DIR=$(abspath $(TARGET))/release $(PYTHON) benches/bench.py $(BENCH_ARGS)

.PHONY: bench-screens
bench-screens: check-deps release ## Measure the screens of a release build in Chromium (needs a quiet machine)
	cd ui && TREFOIL_BIN_DIR=$(abspath $(TARGET))/release npm run perf

.PHONY: check-deps
check-deps: $(VENV)/.installed ## Install what the tests need on Debian: PostgreSQL, NATS, Chromium, and Python packages in a venv
	scripts/install-deps

# The venv is remade when the interpreter that made it is gone.
$(VENV)/.installed: tests/requirements.txt examples/python/requirements.txt
	scripts/install-deps
	$(PYTHON) --version >/dev/null 2>&1 || { rm -rf $(VENV); mkdir -p $(CACHE); python3 -m venv $(VENV); }
	$(VENV)/bin/pip install --quiet --disable-pip-version-check -r tests/requirements.txt
	touch $@
