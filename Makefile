# The commands of this project. `make` alone lists them; each installs what it is missing.

.DEFAULT_GOAL := help
.PHONY: help demo test lint bench bench-proxy compat fuzz soak cancels chaos
.NOTPARALLEL:

help: ## list these commands
	@echo "failsoft: keeps services answering when Redis does not"
	@echo
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/\1|\2/p' $(MAKEFILE_LIST) | while IFS='|' read -r name what; do \
		printf '  make %-12s %s\n' "$$name" "$$what"; done
	@echo
	@echo "  ARGS=... is passed on, for example: make demo ARGS=--keep, make test ARGS='-p failsoft-core'"

demo: ## a real Redis cluster dies under load while every read is answered (a minute, after the build)
	@scripts/setup.sh demo
	@cargo build --release --locked -p failsoft-cli
	@$${CARGO_TARGET_DIR:-target}/release/failsoft demo $(ARGS)

test: ## lint and every test, on real servers
	@scripts/setup.sh lint
	@scripts/setup.sh test
	@scripts/test.sh $(ARGS)

lint: ## format, clippy, dependencies, tidiness
	@scripts/setup.sh lint
	@scripts/lint.sh

bench: ## decisions, framer and local tier: nanoseconds, instructions, time to isolate a dead node
	@scripts/setup.sh bench
	@PATH="$(CURDIR)/target/tools/bin:$$PATH" cargo bench --locked --workspace --bench '*' $(ARGS)

bench-proxy: ## beside direct Redis, twemproxy and Envoy, as ratios
	@scripts/setup.sh bench-proxy
	@cargo build --release --locked -p failsoft-cli
	@cargo build --release --locked -p failsoft-testkit --example paced_load
	@target/bench-proxies/venv/bin/python scripts/bench-proxy.py $(ARGS)

compat: ## Redis' own tests and those of client libraries, through failsoft and without it (SUITE=tcl)
	@scripts/setup.sh compat
	@cargo build --release --locked -p failsoft-cli
	@scripts/compat.sh $(SUITE) $(ARGS)

fuzz: ## every fuzz target for a minute (SECONDS_EACH=600, TARGET=settings)
	@scripts/setup.sh fuzz
	@SECONDS_EACH="$(or $(SECONDS_EACH),60)" TARGET="$(TARGET)" scripts/fuzz.sh

soak: ## every kind of client and outage for long, and nothing has grown (MINUTES=10)
	@scripts/setup.sh test
	@FAILSOFT_SOAK_MINUTES="$(or $(MINUTES),10)" cargo test --locked -p failsoft-cli --test soak -- --nocapture after_a_soak

chaos: ## locks and idempotency through failovers, stops, kills and partitions for long (MINUTES=10)
	@scripts/setup.sh test
	@FAILSOFT_CHAOS_MINUTES="$(or $(MINUTES),10)" cargo test --locked -p failsoft-cli --test locks_chaos -- --nocapture through_every

cancels: ## a million requests that nobody waits for (CANCELS=1000000), and no reply goes astray
	@scripts/setup.sh test
	@FAILSOFT_CANCELS="$(or $(CANCELS),1000000)" cargo test --locked -p failsoft-cli --test cancels -- --nocapture
