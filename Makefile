# Rollcall: build, run, test, measure. `make help` lists the targets.
#
# Sources are found, not listed: every .c below the folders of SRC_DIRS belongs to the program, every
# tests/unit/test_*.c is one test program, every tests/fuzz/fuzz_*.c one fuzz target. Each set of
# flags has an object tree of its own below build/.

comma    := ,
B        ?= build
SRC_DIRS := base registry raft api dns healthcheck cli
CC       := gcc
CLANG    ?= clang

# What building needs; what running the tests needs on top. Installed when missing.
PACKAGES      := gcc make pkg-config libc6-dev libuv1-dev libhttp-parser-dev libjansson-dev \
                 libraft-dev liblmdb-dev libssl-dev libnghttp2-dev libc-ares-dev zlib1g-dev libpcre2-dev
TEST_PACKAGES := clang libclang-rt-14-dev libcmocka-dev python3 curl openssl dnsutils nodejs npm

WARN := -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wstrict-prototypes -Wmissing-prototypes \
        -Wold-style-definition -Wimplicit-fallthrough -Wformat=2 -Wcast-qual -Wwrite-strings \
        -Wpointer-arith -Wundef -Wvla -Wdate-time
ifdef CI
WARN += -Werror
endif
BASE_CFLAGS := -std=c11 -D_GNU_SOURCE -I. $(WARN) -fstack-protector-strong -fno-omit-frame-pointer \
               -pthread -MMD -MP -g
REVISION   := $(shell git rev-parse --short=8 HEAD 2>/dev/null || echo unknown)
BUILD_DATE := $(shell git log -1 --format=%cI 2>/dev/null || echo 1970-01-01T00:00:00Z)
BASE_CFLAGS += '-DROLLCALL_REVISION="$(REVISION)"' '-DROLLCALL_BUILD_DATE="$(BUILD_DATE)"'
LIBS := -luv -lhttp_parser -ljansson -lraft -llmdb -lssl -lcrypto -lnghttp2 -lcares -lz -lpcre2-8 -lm -pthread

SRCS    := $(sort $(foreach d,$(SRC_DIRS),$(wildcard $(d)/*.c)))
MAIN    := cli/main.c
TESTS   := $(sort $(wildcard tests/unit/test_*.c))
SUPPORT := $(sort $(wildcard tests/support/*.c))
FUZZ    := $(sort $(wildcard tests/fuzz/fuzz_*.c))

ifndef V
Q := @
endif
.SECONDARY:
.DELETE_ON_ERROR:

## make            install what is missing and build build/rollcall
.PHONY: all
all: deps $(B)/rollcall

.PHONY: help
help:
	@sed -n 's/^## //p' $(MAKEFILE_LIST)

# Objects, a library of all but main, the program and the unit tests, under one set of flags.
# $(1) name, $(2) compiler, $(3) flags
define variant
$(B)/$(1)/%.o: %.c
	@mkdir -p $$(@D)
	$$(Q)$(2) $$(BASE_CFLAGS) $(3) -c $$< -o $$@
$(B)/$(1)/librollcall.a: $$(patsubst %.c,$(B)/$(1)/%.o,$$(filter-out $$(MAIN),$$(SRCS)))
	$$(Q)rm -f $$@ && ar rcs $$@ $$^
$(B)/$(1)/tests/unit/test_%: $(B)/$(1)/tests/unit/test_%.o \
		$$(patsubst %.c,$(B)/$(1)/%.o,$$(SUPPORT)) $(B)/$(1)/librollcall.a
	$$(Q)$(2) $(3) -o $$@ $$^ $$(LIBS) -lcmocka
$(B)/$(1)/rollcall: $(B)/$(1)/cli/main.o $(B)/$(1)/librollcall.a
	$$(Q)$(2) $(3) -o $$@ $$^ $$(LIBS)
endef
$(eval $(call variant,obj,$(CC),-O2 -D_FORTIFY_SOURCE=2))
$(eval $(call variant,clang,$(CLANG),-O2))
$(eval $(call variant,asan,$(CC),-O1 -fsanitize=address$(comma)undefined -fno-sanitize-recover=all))
$(eval $(call variant,tsan,$(CC),-O1 -fsanitize=thread))
$(eval $(call variant,fuzz,$(CLANG),-O1 -fsanitize=fuzzer-no-link$(comma)address$(comma)undefined -fno-sanitize-recover=all))
-include $(shell find $(B) -name '*.d' 2>/dev/null)

$(B)/rollcall: $(B)/obj/rollcall
	$(Q)cp $< $@
$(B)/bench-load: $(wildcard tests/bench/load*.c tests/bench/load.h)
	@mkdir -p $(@D)
	$(Q)$(CC) $(filter-out -MMD -MP,$(BASE_CFLAGS)) -O2 $(filter %.c,$^) -o $@
$(B)/fuzz/tests/fuzz/fuzz_%: $(B)/fuzz/tests/fuzz/fuzz_%.o \
		$(patsubst %.c,$(B)/fuzz/%.o,$(SUPPORT)) $(B)/fuzz/librollcall.a
	$(Q)$(CLANG) -fsanitize=fuzzer,address,undefined -o $@ $^ $(LIBS)

## make run        ... and start a server with nothing to set up (HTTP 8500, DNS 8600)
.PHONY: run
run: all
	$(B)/rollcall agent -dev $(ARGS)

## make test       ... and run everything that must hold (below 15 minutes on 2 cores)
.PHONY: test
test: test-deps
	@tests/run

UNIT_BINS := $(patsubst tests/unit/%.c,$(B)/asan/tests/unit/%,$(TESTS))
FUZZ_BINS := $(patsubst tests/fuzz/%.c,$(B)/fuzz/tests/fuzz/%,$(FUZZ))
.PHONY: unit-bins fuzz-bins tsan-bins
unit-bins: $(UNIT_BINS)
fuzz-bins: $(FUZZ_BINS)
tsan-bins: $(B)/tsan/rollcall

## make unit       unit tests under ASan and UBSan
.PHONY: unit
unit: unit-bins
	@for t in $(UNIT_BINS); do echo "== $$t"; $$t || exit 1; done

## make conformance  replay recorded exchanges; ARGS="--scenario 'kv-*' -v" for less and more
.PHONY: conformance
conformance: $(B)/rollcall
	@python3 tests/conformance/replay.py --bin $(B)/rollcall --threshold 0 $(ARGS)

## make bench      print figures beside their targets; ARGS="--quick 'kv-*'" for some of them
.PHONY: bench
bench: all $(B)/bench-load
	@tests/bench/run $(B)/rollcall $(ARGS)

## make fuzz       run every fuzz target for SECONDS_EACH (default 600) seconds
SECONDS_EACH ?= 600
.PHONY: fuzz
fuzz: test-deps fuzz-bins
	@tests/fuzz/run $(B)/fuzz/tests/fuzz $(SECONDS_EACH)

## make install    to $(DESTDIR)$(PREFIX): program, man page, completions, systemd unit
PREFIX ?= /usr/local
.PHONY: install
install: $(B)/rollcall
	install -D -m 755 $(B)/rollcall $(DESTDIR)$(PREFIX)/bin/rollcall
	install -D -m 644 deploy/man/rollcall.1 $(DESTDIR)$(PREFIX)/share/man/man1/rollcall.1
	install -d $(DESTDIR)$(PREFIX)/lib/systemd/system
	sed 's|/usr/local/bin/|$(PREFIX)/bin/|' deploy/systemd/rollcall.service > \
		$(DESTDIR)$(PREFIX)/lib/systemd/system/rollcall.service
	install -d $(DESTDIR)$(PREFIX)/share/bash-completion/completions
	$(B)/rollcall completion bash > \
		$(DESTDIR)$(PREFIX)/share/bash-completion/completions/rollcall

## make format     clang-format every C file
.PHONY: format
format:
	clang-format -i $(foreach d,$(SRC_DIRS) tests/unit tests/support tests/fuzz tests/bench,$(wildcard $(d)/*.[ch]))

## make clean      remove build/
.PHONY: clean
clean:
	rm -rf $(B)

# Installing is skipped, and silent, when nothing is missing.
.PHONY: deps test-deps
deps:
	@deploy/install-packages $(PACKAGES)
test-deps:
	@deploy/install-packages $(PACKAGES) $(TEST_PACKAGES)
