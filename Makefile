# One command for everything: `make help` lists them. A target installs what it needs and says so.

SHELL := /bin/sh
.DELETE_ON_ERROR:
.DEFAULT_GOAL := help

WASM := dist/cert_expiry_monitor.wasm
BUILT := target/wasm32-wasip1/release/cert_expiry_monitor.wasm
# The build for tests that traps when it is told to; it never gets into dist.
TRAP := target/trap/cert_expiry_monitor.wasm
# Somebody else's plugin, which tests put beside ours.
FOREIGN := target/foreign/foreign.wasm
SOURCES := $(shell find src templates -type f) Cargo.toml Cargo.lock .cargo/config.toml .cargo/link-wasm

VENV := target/venv
PYTHON := $(VENV)/bin/python
VENV_READY := $(VENV)/.ready

# What checks payloads and signatures without being ours. The npm packages' versions are in the lock file.
OUTSIDERS := target/outsiders
OUTSIDERS_READY := $(OUTSIDERS)/.ready
ALERTMANAGER_VERSION := 0.25.*
ALERTMANAGER := target/alertmanager
ALERTMANAGER_READY := $(ALERTMANAGER)/.ready
# What proxies remember together, with the libraries that these two need and few machines have.
REDIS_VERSION := 5:7.0.*
WEBDIS_VERSION := 0.1.9*
STORE := target/store
STORE_READY := $(STORE)/.ready
STORE_PACKAGES := 'redis-server=$(REDIS_VERSION)' 'redis-tools=$(REDIS_VERSION)' 'webdis=$(WEBDIS_VERSION)' libatomic1 \
	libb64-0d libevent-2.1-7 libhiredis0.14 libjansson4 libjemalloc2 liblzf1

# What V8 of every supported Envoy knows, and rustc uses for this target.
WASM_FEATURES := --mvp-features --enable-bulk-memory --enable-bulk-memory-opt --enable-call-indirect-overlong \
	--enable-multivalue --enable-mutable-globals --enable-nontrapping-float-to-int --enable-reference-types --enable-sign-ext
BINARYEN_VERSION := 132.0.0
WASM_OPT := target/tools/binaryen/node_modules/binaryen/bin/wasm-opt

DENY_VERSION := 0.20.2
DENY := target/tools/bin/cargo-deny
CARGO_FUZZ_VERSION := 0.13.2
CARGO_FUZZ := target/tools/bin/cargo-fuzz
OHA_VERSION := 1.16.0
OHA := target/tools/bin/oha

# Certificates that the makers of PyPI's cryptography test with: fuzzing begins with them.
VECTORS_VERSION := 50.0.2
VECTORS := target/vectors
VECTORS_READY := $(VECTORS)/.ready

# All targets, or one: make fuzz FUZZ=certificate
FUZZ ?= $(basename $(notdir $(wildcard fuzz/fuzz_targets/*.rs)))
FUZZ_SECONDS ?= 300
# Sanitizers are for nightly compilers; this variable makes the stable one take them.
FUZZ_BUILD = RUSTC_BOOTSTRAP=1 $(CARGO_FUZZ) fuzz build --fuzz-dir fuzz --target-dir target/fuzz

# What the Rust targets share, so that CI and people see the same warnings.
CLIPPY := -D warnings

.PHONY: help
help: ## Show this list
	@awk -F ':.*## ' '/^[a-z][a-z0-9-]*:.*## / { printf "  make %-14s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: wasm
wasm: $(WASM) ## Build the plugin: dist/cert_expiry_monitor.wasm

$(WASM): $(SOURCES) | rust-target $(WASM_OPT)
	cargo rustc --release --locked --target wasm32-wasip1 --crate-type cdylib
	@mkdir -p dist
	node $(WASM_OPT) -Oz $(WASM_FEATURES) $(BUILT) -o $@
	@echo "$@: $$(wc -c < $@) bytes"

$(TRAP): $(SOURCES) | rust-target
	cargo rustc --release --locked --features trap --target wasm32-wasip1 --crate-type cdylib --target-dir target/trap
	@cp target/trap/wasm32-wasip1/release/cert_expiry_monitor.wasm $@

# Not with the linker script of .cargo, which knows what our plugin implements.
FOREIGN_BUILD := --release --locked --target wasm32-wasip1 --manifest-path tests/foreign/Cargo.toml --target-dir target/foreign
$(FOREIGN): export CARGO_TARGET_WASM32_WASIP1_LINKER := rust-lld
$(FOREIGN): $(wildcard tests/foreign/*.*) | rust-target
	cargo build $(FOREIGN_BUILD)
	@cp target/foreign/wasm32-wasip1/release/foreign.wasm $@

.PHONY: demo
demo: $(WASM) $(VENV_READY) ## Watch real events leave a real Envoy (DEMO_KEEP=1 keeps it up)
	@PYTHONPATH=tests $(PYTHON) -m lab.demo

.PHONY: test
test: ## Run everything that must pass
	@start=$$(date +%s); \
	$(MAKE) --no-print-directory test-native test-abi test-e2e && \
	echo "all tests, with what had to be built first: $$(( $$(date +%s) - start )) s"

.PHONY: test-native
test-native: ## Unit tests, scenarios in simulated time, the corpus of fuzzing: seconds
	cargo test --locked --no-run --lib --test scenarios --test corpus --test repository
	@start=$$(date +%s); \
	cargo test --locked --quiet --lib --test scenarios --test corpus --test repository && \
	echo "native tests: $$(( $$(date +%s) - start )) s"

.PHONY: test-abi
test-abi: $(WASM) ## The built plugin on a fake host: faults, host calls, instructions
	cargo test --locked --quiet --test abi

.PHONY: flood
flood: $(WASM) ## A hundred thousand clients on the fake host: minutes
	cargo test --locked --quiet --test abi -- --ignored --nocapture

.PHONY: test-e2e
test-e2e: $(WASM) $(TRAP) $(FOREIGN) $(VENV_READY) $(OUTSIDERS_READY) $(ALERTMANAGER_READY) $(STORE_READY) ## The built plugin on real Envoy, with real receivers
	@start=$$(date +%s); \
	$(PYTHON) -m pytest -c tests/pyproject.toml tests/e2e $(PYTEST) && \
	echo "end-to-end tests: $$(( $$(date +%s) - start )) s"

.PHONY: soak
soak: $(WASM) $(OHA) $(VENV_READY) ## Ten minutes of traffic, reloads and failing receivers (SOAK_SECONDS=600)
	@PYTHONPATH=tests $(PYTHON) -m lab.soak

.PHONY: fuzz
fuzz: $(CARGO_FUZZ) ## Five minutes of hostile input for every border (FUZZ=certificate, FUZZ_SECONDS=300)
	$(FUZZ_BUILD)
	@printf '%s\n' $(FUZZ) | FUZZ_SECONDS=$(FUZZ_SECONDS) xargs -P 2 -n 1 fuzz/run

.PHONY: fuzz-corpus
fuzz-corpus: $(CARGO_FUZZ) $(VECTORS_READY) ## Keep what fuzzing has learned, in few files
	$(FUZZ_BUILD)
	@rm -rf target/fuzz/seeds
	cargo run --locked --quiet --manifest-path fuzz/Cargo.toml --target-dir target/fuzz --example seeds -- \
		target/fuzz/seeds $(VECTORS)/cryptography_vectors/x509
	@printf '%s\n' $(FUZZ) | xargs -P 2 -n 1 fuzz/keep

.PHONY: record
record: $(VENV_READY) ## Record anew what the admin interface of every supported Envoy answers
	@PYTHONPATH=tests $(PYTHON) -m lab.record

.PHONY: lint
lint: $(VENV_READY) $(DENY) | rust-target ## Check formatting, lints on both targets, licences and sources of dependencies
	cargo fmt --check
	cargo clippy --locked --all-targets -- $(CLIPPY)
	cargo clippy --locked --target wasm32-wasip1 -- $(CLIPPY)
	cargo clippy --locked --target wasm32-wasip1 --features trap -- $(CLIPPY)
	cargo fmt --manifest-path tests/foreign/Cargo.toml --check
	cargo clippy $(FOREIGN_BUILD) -- $(CLIPPY)
	cargo fmt --check --manifest-path fuzz/Cargo.toml
	cargo clippy --locked --all-targets --manifest-path fuzz/Cargo.toml --target-dir target/fuzz -- $(CLIPPY)
	RUSTDOCFLAGS='-D warnings' cargo doc --locked --no-deps --quiet
	$(DENY) --locked check --hide-inclusion-graph bans licenses sources
	$(DENY) --locked --manifest-path fuzz/Cargo.toml check --hide-inclusion-graph bans licenses sources
	$(VENV)/bin/ruff check tests
	$(VENV)/bin/ruff format --check tests
	$(VENV)/bin/ruff check --config tests/pyproject.toml examples
	$(VENV)/bin/ruff format --check --config tests/pyproject.toml examples

.PHONY: fmt
fmt: $(VENV_READY) ## Format everything
	cargo fmt
	cargo fmt --manifest-path tests/foreign/Cargo.toml
	cargo fmt --manifest-path fuzz/Cargo.toml
	$(VENV)/bin/ruff format tests
	$(VENV)/bin/ruff format --config tests/pyproject.toml examples

.PHONY: clean
clean: ## Remove everything that was built or installed here
	rm -rf target dist

.PHONY: rust-target
rust-target:
	@rustup target list --installed | grep -qx wasm32-wasip1 || \
		{ echo "Installing the Rust target wasm32-wasip1"; rustup target add wasm32-wasip1; }

$(VENV_READY): tests/requirements.txt
	@echo "Setting up Python for tests and demo in $(VENV)"
	@python3 -m venv $(VENV)
	@$(PYTHON) -m pip install --quiet --disable-pip-version-check -r $<
	@touch $@

# Where there is no npm, or no Debian, the tests that need what is installed here are skipped, each by its name.
$(OUTSIDERS_READY): tests/outsiders/package.json tests/outsiders/package-lock.json
	@echo "Installing libraries of receivers from npm into $(OUTSIDERS)"
	@rm -rf $(OUTSIDERS)
	@mkdir -p $(OUTSIDERS)
	@cp $^ $(OUTSIDERS)
	@cd $(OUTSIDERS) && npm ci --ignore-scripts --no-audit --no-fund --no-update-notifier --loglevel=error >/dev/null && \
		touch .ready || echo "That failed: tests that need them are skipped"

# $(call unpack,folder,packages): what Debian has of them, in the folder and nowhere else.
define unpack
rm -rf $(1) && mkdir -p $(1)/lists/partial $(1)/cache/archives/partial && cp tests/outsiders/apt.conf $(1) && \
	cd $(1) && apt-get -c ./apt.conf -qq update && apt-get -c ./apt.conf -qq download $(2) && \
	ls *.deb | xargs -I % dpkg-deb -x % root && rm -rf lists cache *.deb
endef

# Debian's binary looks for its templates where only root can put them; a path that is as long, but relative, is not.
$(ALERTMANAGER_READY): tests/outsiders/apt.conf
	@echo "Fetching Debian's prometheus-alertmanager $(ALERTMANAGER_VERSION) into $(ALERTMANAGER)"
	@{ $(call unpack,$(ALERTMANAGER),'prometheus-alertmanager=$(ALERTMANAGER_VERSION)') && \
		LC_ALL=C sed -i 's|/usr/share/prometheus/alertmanager|usr/share/prometheus/alertmanager/|g' \
			root/usr/bin/prometheus-alertmanager && \
		touch .ready; } || echo "That failed: tests that need it are skipped"

$(STORE_READY): tests/outsiders/apt.conf
	@echo "Fetching Debian's redis $(REDIS_VERSION) and webdis $(WEBDIS_VERSION) into $(STORE)"
	@{ $(call unpack,$(STORE),$(STORE_PACKAGES)) && touch .ready; } || echo "That failed: tests that need them are skipped"

$(WASM_OPT):
	@echo "Installing wasm-opt of Binaryen $(BINARYEN_VERSION) into target/tools"
	@command -v npm >/dev/null || { echo "npm is missing: install Node.js 18 or newer"; exit 1; }
	@npm install --silent --ignore-scripts --no-audit --no-fund --prefix target/tools/binaryen binaryen@$(BINARYEN_VERSION)

$(DENY):
	@echo "Installing cargo-deny $(DENY_VERSION) into target/tools"
	@cargo install --quiet --locked --root target/tools --version $(DENY_VERSION) cargo-deny

$(CARGO_FUZZ):
	@echo "Installing cargo-fuzz $(CARGO_FUZZ_VERSION) into target/tools"
	@cargo install --quiet --locked --root target/tools --version $(CARGO_FUZZ_VERSION) cargo-fuzz

$(VECTORS_READY): | $(VENV_READY)
	@echo "Fetching cryptography-vectors $(VECTORS_VERSION) into $(VECTORS)"
	@$(PYTHON) -m pip download --quiet --disable-pip-version-check --no-deps --dest $(VECTORS) \
		cryptography-vectors==$(VECTORS_VERSION)
	@cd $(VECTORS) && python3 -m zipfile -e *.whl . && rm *.whl && touch .ready

$(OHA):
	@echo "Installing oha $(OHA_VERSION) into target/tools"
	@cargo install --quiet --locked --root target/tools --version $(OHA_VERSION) oha
