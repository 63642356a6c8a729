# Everything that a person or CI does with this repository. `make` alone lists it.

SETUP := tests/setup
BIN   := target/release/flowforge

.DEFAULT_GOAL := help
.PHONY: help run build dev test fmt lint bench chaos hooks

help: ## list the targets
	@sed -n 's/^\([a-z]*\):.*## /  make \1\t/p' Makefile | expand -t 16

run: build ## build, then start the embedded server with the example workflows (ARGS="--listen …")
	@exec $(BIN) serve --data-dir data $(ARGS)

build: ## leave the release binary, web app inside, in target/release/flowforge
	@$(SETUP)/tools.sh cargo node npm git cc
	@$(SETUP)/web.sh build
	@cargo build --release --bin flowforge

dev: ## web app with hot reload, against the server that `make run` started
	@$(SETUP)/tools.sh node npm
	@$(SETUP)/web.sh install
	@npm --prefix frontend run --silent dev

test: ## set up what the tests need, then run everything
	@$(SETUP)/tools.sh cargo node npm git cc curl
	@$(SETUP)/system.sh
	@$(SETUP)/test.sh

fmt: ## format everything
	@cargo fmt --all
	@$(SETUP)/web.sh install && npm --prefix frontend run --silent fmt

lint: ## every lint, warnings are errors
	@cargo clippy --workspace --all-targets -- -D warnings
	@$(SETUP)/web.sh install && npm --prefix frontend run --silent lint

bench: build ## measure runs per second beside the raw databases (REPORT=path of the report)
	@$(SETUP)/system.sh
	@$(SETUP)/bench.sh

chaos: build ## kill, pause and cut everything while it works, then check that nothing is lost (SEED=… ROUNDS=… ARGS="--help")
	@$(SETUP)/system.sh
	@$(SETUP)/chaos.sh $(if $(SEED),--seed $(SEED)) $(if $(ROUNDS),--rounds $(ROUNDS)) $(ARGS)

hooks: build ## send 10,000 deliveries while servers and workers are killed (DELIVERIES=… REPORT=path), or measure (CLIENTS=64 SECONDS=10)
	@$(SETUP)/system.sh
ifdef CLIENTS
	@FLOWFORGE_BIN=$(CURDIR)/$(BIN) FLOWFORGE_HOOK_CLIENTS=$(CLIENTS) FLOWFORGE_HOOK_SECONDS=$(or $(SECONDS),10) \
	cargo test --release --quiet --package flowforge-tests --test it hooks::pace -- --nocapture
else
	@FLOWFORGE_BIN=$(CURDIR)/$(BIN) FLOWFORGE_HOOKS=$(or $(DELIVERIES),10000) \
	FLOWFORGE_HOOKS_REPORT=$(abspath $(or $(REPORT),tests/triggers/DELIVERIES.md)) \
	cargo test --quiet --package flowforge-tests --test it hooks::storm -- --nocapture
endif
