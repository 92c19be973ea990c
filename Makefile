# The common tasks. `make` alone explains them.
#
# Variables: STACK=dev            the stack to bring up, Pulumi.<STACK>.yaml
#            ARTIFACTS=auto       auto, registry or airgap
#            MESHWRIGHT_SETUP=1   let a missing Docker be set up without a question
#            MESHWRIGHT_SKIP_PREFLIGHT=1  go on though the machine may be too small

STACK     ?= dev
ARTIFACTS ?= auto
STOPS     ?= 30
# Linking the providers takes about a gigabyte each, so that few at a time is
# faster on a small machine than many.
JOBS      ?= 2

# Without debugger tables linking takes half as long and the result is a third smaller.
SLIM      := -s -w

# As the kit compiles its programs: what both need is compiled once.
export CGO_ENABLED := 0
export GOFLAGS += -trimpath

# Compilers live for seconds: collecting their garbage as usual costs a fifth of the
# time. None of them grows to the limit.
LATE_GC   := env GOGC=400 GOMEMLIMIT=2GiB
GO        := $(LATE_GC) go

MW        := bin/meshwright
LAB       := --stack $(STACK)
SHELL     := /bin/bash
.SHELLFLAGS := -euo pipefail -c

# Nobody can be asked on a build server, nor where there is no terminal.
ifneq ($(CI),)
export MESHWRIGHT_SETUP := 1
else ifneq ($(shell test -t 0 && echo terminal),terminal)
export MESHWRIGHT_SETUP := 1
endif

# Tests must not meet the user's clusters, Docker contexts or Pulumi account.
# DOCKER_HOST stays: build servers name their daemon with it.
QUIET := bin/test
TESTENV = env -u DOCKER_CONTEXT -u DOCKER_TLS_VERIFY -u DOCKER_CERT_PATH \
	-u PULUMI_ACCESS_TOKEN -u PULUMI_BACKEND_URL -u PULUMI_HOME -u PULUMI_STACK \
	-u PULUMI_CONFIG_PASSPHRASE -u PULUMI_CONFIG_PASSPHRASE_FILE -u PULUMI_DEBUG_PROVIDERS \
	-u MESHWRIGHT_KIT -u MESHWRIGHT_LOCK -u HELM_NAMESPACE \
	DOCKER_CONFIG=$(CURDIR)/$(QUIET)/docker KUBECONFIG=$(CURDIR)/$(QUIET)/no-kubeconfig

.DEFAULT_GOAL := help
.NOTPARALLEL:
.PHONY: help build up down clean test bench lint fmt \
	fmt-check vet vet-darwin staticcheck docs docs-check test-setup test-kit test-unit test-e2e \
	conformance test-conformance test-kill test-cli test-embed

help: ## Show this help
	@echo "From a bare machine to a verified mesh, and back:"
	@echo "  make up      prepare the machine, bring up two clusters with one mesh, verify it"
	@echo "  make down    take the lab away again"
	@echo "  make clean   undo what was done to the machine"
	@echo
	@echo "Everything:"
	@sed -n 's/^\([a-z][a-z0-9-]*\):.*## \(.*\)/\1\t\2/p' Makefile | while IFS=$$'\t' read -r t d; do printf '  %-12s %s\n' "$$t" "$$d"; done
	@echo
	@sed -n 's/^# \(Variables: .*\)/\1/p; s/^#  *\([A-Z_]*=[^ ]* .*\)/           \1/p' Makefile

build: ## Build the command line, the program and the provider plugin into bin/
	@$(GO) build -p $(JOBS) -ldflags '$(SLIM)' -o bin/meshwright ./cmd/meshwright
	@$(GO) build -p $(JOBS) -ldflags '$(SLIM)' -o bin/meshwright-program .
	@ln -sf meshwright bin/pulumi-resource-meshwright

up: build ## Set the machine up, bring up the lab, verify it
	@settings="$$($(MW) setup --artifacts $(ARTIFACTS))"; eval "$$settings"; \
	if [ "$$MESHWRIGHT_ARTIFACTS" = airgap ]; then $(MW) airgap build; fi; \
	$(MW) up $(LAB); \
	exec $(MW) verify $(LAB)

down: build ## Remove the lab
	@exec $(MW) destroy $(LAB)

clean: build ## Stop our Docker, restore settings, remove kit, state, passphrase and bin/
	@$(MW) clean
	@rm -rf bin

bench: build ## Measure against the steps by hand; writes docs/benchmarks.md
	@settings="$$($(MW) setup --artifacts airgap)"; eval "$$settings"; \
	$(MW) airgap build; \
	exec go run ./bench

conformance: build ## Take every model through its life; writes docs/conformance.md
	@settings="$$($(MW) setup --artifacts airgap)"; eval "$$settings"; \
	$(MW) airgap build; mkdir -p $(QUIET)/docker; \
	exec $(TESTENV) go run ./test/conformance

lint: fmt-check vet staticcheck docs-check ## Check format, vet, static analysis, generated documentation

docs: ## Write the reference of the checks into docs/checks.md
	@$(GO) run ./verify/gendoc

fmt: bin/tools/gofumpt ## Format the code
	@bin/tools/gofumpt -w .

# The cheap checks come first, so that a mistake shows before the kit is built. One lab
# is up at a time: with two of them, the nodes of both keep two cores busy, and a fault
# is seen too late.
test: ## Check, then test, from nothing to a mesh and back; prints the time of each part
	@MAKE='$(MAKE)' test/stages.sh lint build test-setup test-kit test-unit test-conformance test-e2e test-cli test-embed

fmt-check: bin/tools/gofumpt
	@unformatted="$$(bin/tools/gofumpt -l .)"; \
	if [ -n "$$unformatted" ]; then echo "not formatted:"; echo "$$unformatted"; echo "run: make fmt"; exit 1; fi

vet:
	@$(GO) vet -p $(JOBS) ./...
	@examples/sync.sh --check
	@for dir in examples/*/; do (cd $$dir && $(GO) vet -p $(JOBS) ./...); done

# Compiles nearly everything a second time: minutes, so `make lint` leaves it out.
vet-darwin: ## Build and vet the command and the program for macOS on arm64 (untested there)
	@GOOS=darwin GOARCH=arm64 $(GO) build -p $(JOBS) -o /dev/null ./cmd/meshwright
	@GOOS=darwin GOARCH=arm64 $(GO) build -p $(JOBS) -o /dev/null .
	@GOOS=darwin GOARCH=arm64 $(GO) vet -p $(JOBS) ./cmd/... ./automation/... .

docs-check:
	@$(GO) test -vet=off ./verify/gendoc

staticcheck: bin/tools/staticcheck
	@$(LATE_GC) bin/tools/staticcheck ./...

bin/tools/gofumpt bin/tools/staticcheck: tools/go.mod tools/go.sum
	@mkdir -p bin/tools
	@cd tools && $(GO) build -p $(JOBS) -o ../bin/tools/ tool
	@touch bin/tools/*

test-setup: build
	@mkdir -p $(QUIET)/docker
	@$(TESTENV) $(MW) setup --artifacts airgap --tests >/dev/null

test-kit: build
	@$(TESTENV) $(MW) airgap build

# Everything but the end-to-end runs. What the tests need of the kit, a real API
# server and kind's node image, is there now: nothing may be skipped for want of it.
# The race detector needs cgo and a C compiler, which test-setup has seen to. `make
# vet` has vetted the packages; again, as they are for race detection, takes minutes.
# And what tests compile needs no cgo: with it, nothing compiled so far would do.
# A program with the race detector sleeps for a second before it exits, and the tests
# start hundreds. They wait even so, so that there is room for one more at a time.
test-unit: build
	@MESHWRIGHT_REQUIRE_DOCKER=1 MESHWRIGHT_REQUIRE_APISERVER=1 MESHWRIGHT_E2E=1 CGO_ENABLED=1 GORACE=atexit_sleep_ms=0 $(TESTENV) \
		$(GO) test -p $$(($(JOBS) + 1)) -vet=off -race -exec 'env -u GOGC -u GOMEMLIMIT CGO_ENABLED=0' -timeout 15m $$(go list ./... | grep -v -e /test/e2e -e /test/cli)
	@for dir in examples/*/; do (cd $$dir && $(TESTENV) go test -p $(JOBS) -vet=off ./...); done

test-e2e: build
	@MESHWRIGHT_E2E=1 $(TESTENV) go test -vet=off ./test/e2e -run TestLab -count=1 -timeout 45m -v

test-kill: build ## Stop every operation 30 times at a random moment (STOPS=30)
	@MESHWRIGHT_STOPS=$(STOPS) $(TESTENV) go test -vet=off ./automation -run TestFailingCalls -count=1 -timeout 1h -v
	@MESHWRIGHT_E2E=1 MESHWRIGHT_STOPS=$(STOPS) $(TESTENV) go test -vet=off ./test/e2e -run TestStops -count=1 -timeout 3h -v

test-cli: build
	@MESHWRIGHT_E2E=1 $(TESTENV) go test -vet=off ./test/cli -count=1 -timeout 20m -v

test-embed: build
	@cd examples/embed && MESHWRIGHT_E2E=1 PATH="$(CURDIR)/bin:$$PATH" $(TESTENV) go test -vet=off . -count=1 -timeout 30m -v

# Two mixtures of three clusters, which hold every kind of pair that the models have.
test-conformance: build
	@$(TESTENV) go run ./test/conformance -short
