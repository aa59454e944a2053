# The menu. Everything is built by meson; this only names what one types.
#
#   make          the two programs make check   tests that need no root and no network (under a minute)
#   make asan     the same tests under AddressSanitizer and UBSan
#   make tsan     store and log threads under ThreadSanitizer
#   make valgrind unit tests under valgrind
#   make fuzz     a minute of every fuzz target (clang)      make bench   the tables of docs/performance.md
#   make fmt      clang-format on the sources                make docs    manual pages as text
#   make deb      the Debian package, into build-deb           make check-package  it, in a booted Debian 12 of its own
#   make check-fresh  ./run and ./check in a Debian 12 with nothing else (both: root, the network, minutes)
#   make install  into PREFIX (default /usr/local; what is given here counts, also where something was built before)

B ?= build
# The tests' own: tools/check-layers reads objects' symbols, which are not in them yet when they are compiled for LTO.
T ?= build-test
PREFIX ?=
PROGRAMS = src/daemon/tarsierd src/cli/tarsier
# What `make install` puts into place beside them and the programs make.
MADE = dist/tarsier dist/_tarsier
# Another version lays some lines out differently.
CLANG_FORMAT ?= $(shell command -v clang-format-14 || echo clang-format)

.PHONY: deb check-package check-fresh all everything prefix test-build check asan tsan valgrind fuzz bench fmt fmt-check docs install clean layers

all: prefix
	ninja -C $(B) $(PROGRAMS) $(MADE)

everything: prefix
	ninja -C $(B)

$(B)/build.ninja:
	meson setup $(B) $(if $(PREFIX),--prefix=$(PREFIX)) -Db_lto=true $(SETUP)

# A build directory has one prefix, and it stands in the programs and in the unit. Another one than before is a change to it.
prefix: $(B)/build.ninja
	@test -z "$(PREFIX)" || meson introspect --buildoptions $(B) | grep -qF '"name": "prefix", "value": "$(PREFIX)"' || \
	  meson configure $(B) -Dprefix="$(PREFIX)"

test-build:
	test -f $(T)/build.ninja || meson setup $(T)
	ninja -C $(T)

check: test-build layers
	meson test -C $(T) --no-rebuild --print-errorlogs --no-suite slow

asan:
	test -f build-asan/build.ninja || meson setup build-asan -Db_sanitize=address,undefined -Dbuildtype=debug
	meson test -C build-asan --print-errorlogs --no-suite slow

tsan:
	test -f build-tsan/build.ninja || CC=clang meson setup build-tsan -Db_sanitize=thread -Dbuildtype=debug
	meson test -C build-tsan --print-errorlogs --suite threads

# A living thread's own memory counts as possibly lost: only what is definitely lost is a leak.
valgrind: test-build
	meson test -C $(T) --no-rebuild --print-errorlogs --suite unit --timeout-multiplier 10 \
	  --wrap 'valgrind -q --error-exitcode=9 --leak-check=full --errors-for-leak-kinds=definite'

fuzz:
	tools/fuzz

bench: everything
	bench/run

layers: test-build
	tools/check-layers $(T)

fmt:
	git ls-files '*.c' '*.h' | xargs $(CLANG_FORMAT) -i

fmt-check:
	git ls-files '*.c' '*.h' | xargs $(CLANG_FORMAT) --dry-run --Werror

docs:
	for p in man/*.[0-9]; do mandoc -T utf8 $$p | col -b > $(B)/$$(basename $$p).txt; done

# A configuration that is there already stays as it is.
install: all
	meson install -C $(B) --no-rebuild
	test -e $(DESTDIR)/etc/tarsier/tarsier.conf || install -D -m 644 dist/tarsier.conf $(DESTDIR)/etc/tarsier/tarsier.conf
	install -d -m 755 $(DESTDIR)/etc/tarsier/conf.d

deb:
	tools/install-deps build run package
	tools/make-deb build-deb

check-package:
	tools/install-deps build run package
	tools/check-package build-package

check-fresh:
	tools/install-deps package
	tools/check-fresh build-fresh

clean:
	rm -rf --one-file-system build build-*
