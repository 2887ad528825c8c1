# make check is fast: format, lint, build, the core's tests.
# make test is everything: also races, real servers, fuzzing, coverage.

SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := check

# Every module of the workspace, found by go itself.
MODULES := $(shell go list -m -f '{{.Dir}}')
BIN := $(CURDIR)/.bin
LINT := $(BIN)/golangci-lint
# Executions per target: a duration runs into golang.org/issue/75804, which fails
# at the end of a sound run.
FUZZTIME ?= 20000x

.PHONY: check test lint build install race standalone fuzz coverage golden bench

check: lint build
	go test ./...

test: lint build install race standalone fuzz coverage

# The linters are pinned in a module that no consumer sees.
$(LINT): internal/tools/go.mod internal/tools/go.sum
	GOWORK=off go -C internal/tools build -o $@ github.com/golangci/golangci-lint/v2/cmd/golangci-lint

lint: $(LINT)
	for m in $(MODULES); do (cd $$m && echo "lint $$m" && $(LINT) run --allow-parallel-runners ./...); done

build:
	for m in $(MODULES); do (cd $$m && go build ./... && go vet ./...); done

# The servers that internal/integration runs against.
install:
	internal/integration/install.sh

# AUTHN_SUMMARY is where the integration tests say what ran on which server.
race:
	export AUTHN_SUMMARY=$$(mktemp); trap "rm -f $$AUTHN_SUMMARY" EXIT; \
	for m in $(MODULES); do (cd $$m && go test -race -shuffle=on -timeout=30m ./...); done; \
	cat $$AUTHN_SUMMARY

# Without the workspace, which raises versions: what a consumer of the core gets.
standalone:
	GOWORK=off go build ./...
	GOWORK=off go test -shuffle=on ./...

fuzz:
	internal/ci/fuzz.sh $(FUZZTIME)

coverage:
	internal/ci/coverage.sh

# Golden files, after a change that is meant.
golden:
	go test . -update

# Ours, the peers and the floor in one run; not in the workspace, so that peers
# raise nobody's versions.
bench:
	GOWORK=off go -C bench run .
