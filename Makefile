# Ringway. The two commands: make demo, make test.
.DEFAULT_GOAL := help
SHELL := /bin/bash
BUILD := build
JOBS ?= $(shell nproc)
# The compiler cache serves any checkout: paths below it are taken as relative.
export CCACHE_BASEDIR := $(CURDIR)
export CCACHE_NOHASHDIR := 1

.PHONY: help
help: ## show this list
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / {printf "  make %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: deps
deps: ## install what is missing from Debian's packages
	@scripts/install.sh

.PHONY: build
build: deps ## build/ringway
	@[ -f $(BUILD)/build.ninja ] || cmake --preset release >$(BUILD).log 2>&1 || { cat $(BUILD).log; exit 1; }
	@rm -f $(BUILD).log
	@ninja -C $(BUILD) -j $(JOBS) ringway

.PHONY: build-tests
build-tests: build
	@ninja -C $(BUILD) -j $(JOBS)

# Servers for tests only, which Debian does not have.
.PHONY: test-deps
test-deps: deps
	@scripts/install_mysql.sh

.PHONY: test
test: build-tests test-deps ## every test; ends with N passed, N failed
	@scripts/run_tests.py $(BUILD)

.PHONY: test-unit
test-unit: build-tests ## unit tests only
	@scripts/run_tests.py $(BUILD) unit

.PHONY: test-e2e
test-e2e: build test-deps ## end-to-end tests only, on real servers
	@ninja -C $(BUILD) -j $(JOBS) mysql_parse
	@scripts/run_tests.py $(BUILD) e2e

.PHONY: test-drivers
test-drivers: build ## real drivers (DRIVERS="psql asyncpg ..."), each compared with a plain server
	@scripts/install.sh driver-packages.txt
	@tests/drivers/run.py $(BUILD)/ringway $(DRIVERS)

.PHONY: test-suites-mysql
test-suites-mysql: build ## suites of MariaDB and of MySQL's drivers (SUITES="pymysql mtr:'func_.*'"): tests/suites/mysql
	@scripts/install.sh driver-packages.txt
	@scripts/install.sh suite-packages-mysql.txt
	@tests/suites/mysql/run.py $(BUILD)/ringway $(SUITES)

.PHONY: test-suites
test-suites: build ## PostgreSQL's and the drivers' own suites, compared with a plain server (SUITES="regress psycopg ..."); an hour
	@tests/suites/run.py $(BUILD)/ringway $(SUITES)

.PHONY: demo
demo: build ## start three real clusters and the proxy, and say what to try
	@demo/up.sh

.PHONY: demo-down
demo-down: ## end the demo
	@demo/down.sh

.PHONY: asan tsan
asan tsan: deps ## every test under ASan and UBSan, or TSan (TESTS="unit e2e", TESTS=unit)
	@cmake --preset $@ >/dev/null && ninja -C $(BUILD)/$@ -j $(JOBS)
	@ASAN_OPTIONS=quarantine_size_mb=4:malloc_context_size=12 LSAN_OPTIONS=suppressions=$(CURDIR)/tests/sanitize/lsan.supp:print_suppressions=0 \
	 TSAN_OPTIONS=suppressions=$(CURDIR)/tests/sanitize/tsan.supp:print_suppressions=0 UBSAN_OPTIONS=print_stacktrace=1 \
	 RINGWAY_E2E_LIMIT=7200 scripts/run_tests.py $(BUILD)/$@ $(or $(TESTS),unit e2e)

.PHONY: fuzz
fuzz: deps ## build the fuzzers and run each for FUZZ_SECONDS (60)
	@cmake --preset fuzz >/dev/null && ninja -C $(BUILD)/fuzz -j $(JOBS) fuzzers
	@tests/fuzz/run $(BUILD)/fuzz $${FUZZ_SECONDS:-60}

.PHONY: check analyze
check: deps ## formatting and clang-tidy
	@git ls-files '*.cpp' '*.hpp' | xargs clang-format-19 --dry-run --Werror
	@[ -f $(BUILD)/compile_commands.json ] || cmake --preset release >/dev/null
	@git ls-files 'config/*.cpp' 'protocol/*.cpp' 'router/*.cpp' 'pool/*.cpp' 'proxy/*.cpp' | xargs -P $(JOBS) -n 4 clang-tidy-19 -p $(BUILD) --quiet --checks=-clang-analyzer-*

analyze: deps ## clang's analyzer, a minute or more a file (FILES="pool/pool.cpp ...")
	@[ -f $(BUILD)/compile_commands.json ] || cmake --preset release >/dev/null
	@echo $(or $(FILES),$$(git ls-files 'config/*.cpp' 'protocol/*.cpp' 'router/*.cpp' 'pool/*.cpp' 'proxy/*.cpp')) | xargs -P $(JOBS) -n 1 clang-tidy-19 -p $(BUILD) --quiet

.PHONY: bench
bench: build ## what a transaction costs, side by side with direct, PgBouncer and HAProxy
	@/usr/bin/python3 tests/bench/side_by_side.py $(BUILD)/ringway

.PHONY: bench-mysql
bench-mysql: build ## likewise of MySQL's clients before MariaDB: direct, HAProxy, Ringway
	@/usr/bin/python3 tests/bench/mysql.py $(BUILD)/ringway

.PHONY: bench-shards
bench-shards: build ## a sharded cluster beside one server: single shard, scatter, merge
	@/usr/bin/python3 tests/bench/shards.py $(BUILD)/ringway

.PHONY: bench-rebalance
bench-rebalance: build ## a rebalance's copy beside COPY | COPY, and its stream under a load
	@/usr/bin/python3 tests/bench/rebalance.py $(BUILD)/ringway

.PHONY: bench-tpch
bench-tpch: build ## TPC-H on four shards and on one server: the same rows, plans and times
	@/usr/bin/python3 tests/bench/tpch/run.py $(BUILD)/ringway

.PHONY: clean
clean: ## remove build/
	@rm -rf $(BUILD)
