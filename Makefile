# Rollcall: build, run, test, measure. `make help` lists the targets.
#
# Sources are found, not listed: every .c below the folders of SRC_DIRS belongs to the program,
# every tests/unit/test_*.c is one test program, every tests/fuzz/fuzz_*.c one fuzz target.
# Object trees, one per set of flags: $(B)/obj (release), build/asan, build/tsan, build/fuzz.

comma := ,
B        ?= build
SRC_DIRS := base registry raft api dns healthcheck cli
CC       ?= gcc
CLANG    ?= clang
PACKAGES := build-essential clang libclang-rt-14-dev pkg-config \
            libuv1-dev libhttp-parser-dev libjansson-dev libraft-dev liblmdb-dev libssl-dev \
            libnghttp2-dev libc-ares-dev zlib1g-dev libpcre2-dev libcmocka-dev

WARN := -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wstrict-prototypes -Wmissing-prototypes \
        -Wold-style-definition -Wimplicit-fallthrough -Wformat=2 -Wcast-qual -Wwrite-strings \
        -Wpointer-arith -Wundef -Wvla -Wdate-time
ifdef CI
WARN += -Werror
endif
BASE_CFLAGS := -std=c11 -D_GNU_SOURCE -I. $(WARN) -fstack-protector-strong -fno-omit-frame-pointer \
               -pthread -MMD -MP -g
LIBS := -luv -lhttp_parser -ljansson -lraft -llmdb -lssl -lcrypto -lnghttp2 -lcares -lz -pthread

SRCS  := $(sort $(foreach d,$(SRC_DIRS),$(wildcard $(d)/*.c)))
MAIN  := cli/main.c
TESTS := $(sort $(wildcard tests/unit/test_*.c))
SUPPORT := $(sort $(wildcard tests/support/*.c))
FUZZ  := $(sort $(wildcard tests/fuzz/fuzz_*.c))

.PHONY: all help
all: $(B)/rollcall
help:
	@sed -n 's/^## //p' $(MAKEFILE_LIST)

# variant NAME, compiler, flags: objects, a library of all but main, and the unit tests
define variant
$(B)/$(1)/%.o: %.c
	@mkdir -p $$(@D)
	$$(Q)$(2) $$(BASE_CFLAGS) $(3) -c $$< -o $$@
$(B)/$(1)/librollcall.a: $$(patsubst %.c,$(B)/$(1)/%.o,$$(filter-out $$(MAIN),$$(SRCS)))
	$$(Q)rm -f $$@ && ar rcs $$@ $$^
$(B)/$(1)/tests/unit/test_%: $(B)/$(1)/tests/unit/test_%.o $$(patsubst %.c,$(B)/$(1)/%.o,$$(SUPPORT)) $(B)/$(1)/librollcall.a
	$$(Q)$(2) $(3) -o $$@ $$^ $$(LIBS) -lcmocka
$(B)/$(1)/rollcall: $(B)/$(1)/cli/main.o $(B)/$(1)/librollcall.a
	$$(Q)$(2) $(3) -o $$@ $$^ $$(LIBS)
-include $$(shell find $(B)/$(1) -name '*.d' 2>/dev/null)
endef

ifndef V
Q := @
endif
.SECONDARY:

$(eval $(call variant,obj,$(CC),-O2 -D_FORTIFY_SOURCE=2))
$(eval $(call variant,asan,$(CC),-O1 -fsanitize=address$(comma)undefined -fno-sanitize-recover=all))
$(eval $(call variant,tsan,$(CC),-O1 -fsanitize=thread))
$(eval $(call variant,fuzz,$(CLANG),-O1 -fsanitize=fuzzer-no-link$(comma)address$(comma)undefined -fno-sanitize-recover=all))

$(B)/rollcall: $(B)/obj/rollcall
	$(Q)cp $< $@

## make            build $(B)/rollcall
## make unit       unit tests under ASan and UBSan
.PHONY: unit
unit: $(patsubst tests/unit/%.c,$(B)/asan/tests/unit/%,$(TESTS))
	@for t in $^; do echo "== $$t"; $$t || exit 1; done

$(B)/fuzz/tests/fuzz/fuzz_%: $(B)/fuzz/tests/fuzz/fuzz_%.o $(B)/fuzz/librollcall.a
	$(Q)$(CLANG) -fsanitize=fuzzer,address,undefined -o $@ $^ $(LIBS)

.PHONY: clean
clean:
	rm -rf $(B)
