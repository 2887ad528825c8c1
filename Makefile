# make check is fast: format, lint, build, the core's tests.
# make test is everything: also races, real servers, fuzzing, coverage.

SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := check

# Every module of the workspace, found by go itself.
MODULES := $(shell go list -m -f '{{.Dir}}')
BIN := $(CURDIR)/.bin
LINT := $(BIN)/golangci-lint
APIDIFF := $(BIN)/apidiff
LICENSES := $(BIN)/go-licenses
# What is covered by the tests against servers, and by the core's own; programs
# that make files are left out.
STORES := github.com/gatehouse-go/authn/store
COVER_SERVERS := -coverpkg=$(STORES)/sqlstore,$(STORES)/redisstore
COVER_CORE = -coverpkg=$(shell go list -f '{{if ne .Name "main"}}{{.ImportPath}}{{end}}' ./... | paste -sd,) -coverprofile=coverage/core.out
# A test of internal/integration whose name has one of these words is in the first
# half, any other in the second.
HALF := Redis|Browser|Webapp|Quickstart|Provider
# Executions per target: a duration runs into golang.org/issue/75804, which fails
# at the end of a sound run.
FUZZTIME ?= 20000x

.PHONY: check test lint build install tests servers-build servers-1 servers-2 race unraced standalone fuzz coverage \
	apidiff release-check licenses golden bench bench-long torture mutate

check: lint build
	go test ./...

test: lint build install tests standalone fuzz coverage apidiff release-check

# The linters and what looks after releases are pinned in a module that no consumer sees.
$(LINT): TOOL = github.com/golangci/golangci-lint/v2/cmd/golangci-lint
$(APIDIFF): TOOL = golang.org/x/exp/cmd/apidiff
$(LICENSES): TOOL = github.com/google/go-licenses/v2
$(LINT) $(APIDIFF) $(LICENSES): internal/tools/go.mod internal/tools/go.sum
	GOWORK=off go -C internal/tools build -o $@ $(TOOL)

lint: $(LINT)
	for m in $(MODULES); do (cd $$m && echo "lint $$m" && $(LINT) run --allow-parallel-runners ./...); done

build:
	for m in $(MODULES); do (cd $$m && go build ./... && go vet ./...); done
	cd bench && GOWORK=off go vet . && GOWORK=off go test .

# The servers that internal/integration runs against.
install:
	internal/integration/install.sh

# The tests against servers wait half of the time, so that both halves of them run
# at once, each with servers of its own, and beside all other tests. AUTHN_SUMMARY
# is where they say what ran on which server. They also leave profiles for
# coverage, and so does standalone.
tests: servers-build
	$(MAKE) --no-print-directory -j3 --output-sync=target servers-1 servers-2 race unraced

# Once, and not by both halves at the same time.
servers-build:
	cd internal/integration && go test -race -run='^$$' $(COVER_SERVERS) ./...

servers-1: which = -run='$(HALF)'
servers-2: which = -skip='$(HALF)'
servers-1 servers-2:
	mkdir -p coverage; export AUTHN_SUMMARY=$$(mktemp); trap "rm -f $$AUTHN_SUMMARY" EXIT; \
	cd internal/integration; go test -race -shuffle=on -timeout=40m $(which) $(COVER_SERVERS) -coverprofile=$(CURDIR)/coverage/$@.out ./...; \
	cat $$AUTHN_SUMMARY

race:
	for m in $(filter-out %/internal/integration,$(MODULES)); do (cd $$m && go test -race -shuffle=on -timeout=40m ./...); done

# The tests against servers that the race detector leaves out, by their build
# constraint: it would be measured, too, or would find nothing.
unraced:
	export AUTHN_SUMMARY=$$(mktemp); trap "rm -f $$AUTHN_SUMMARY" EXIT; \
	cd internal/integration; tests=$$(sed -n 's/^func \(Test[A-Za-z0-9_]*\)(.*/\1/p' $$(grep -l '^//go:build !race' *_test.go) | paste -sd'|'); \
	[ -n "$$tests" ]; go test -timeout=40m -run="^($$tests)\$$" .; cat $$AUTHN_SUMMARY

# Without the workspace, which raises versions, and by the oldest Go that go.mod
# admits, which go downloads: the least that a consumer of the core has.
standalone: export GOWORK = off
standalone: export GOTOOLCHAIN = go$(shell awk '$$1 == "go" {print $$2}' go.mod)
standalone:
	mkdir -p coverage
	go build ./...
	go test -shuffle=on $(COVER_CORE) ./...

fuzz:
	internal/ci/fuzz.sh $(FUZZTIME)

coverage:
	internal/ci/coverage.sh

# The public API against the newest release; passes while there is none.
apidiff: $(APIDIFF)
	internal/ci/apidiff.sh $(APIDIFF)

# Plays the release of this working tree and builds a program on it.
release-check:
	internal/ci/release-check.sh $(VERSION)

# After a change of dependencies: docs/licenses.md.
licenses: $(LICENSES)
	internal/ci/licenses.sh $(LICENSES)

# Faults under load, each backend for so long (all of them at most 15 minutes).
TORTURE ?= 90s
torture:
	cd internal/integration && AUTHN_TORTURE=$(TORTURE) go test -count=1 -timeout=40m -run='^TestTorture'

# Golden files, after a change that is meant.
golden:
	go test . -update

# Ours, the peers and the floor in one run; not in the workspace, so that peers
# raise nobody's versions.
bench:
	GOWORK=off go -C bench run . -md ../docs/benchmarks.md
	GOWORK=off go -C bench run . -chart

# How costs grow from a thousand records to a million, and half an hour of mixed load.
bench-long:
	GOWORK=off go -C bench run . -growth -md ../docs/benchmarks.md
	GOWORK=off go -C bench run . -soak 30m -md ../docs/benchmarks.md

# Every small change of the core fails a test, or stands in survivors.txt with the
# reason why it may not. Not part of test, since it takes minutes for each package.
# make mutate PKG=./apikey tries one.
mutate:
	GOWORK=off go -C internal/tools test ./mutate
	GOWORK=off go -C internal/tools run ./mutate $(or $(PKG),-o ../../docs/mutation.md)
