# Short-cuts over Meson; `make help` lists them.
B ?= build

help: ## this list
	@grep -E '^[a-z0-9-]+:.*##' Makefile | sed 's/:.*## /\t/' | expand -t 12

all: $(B)/build.ninja ## build (ASan and UBSan)
	ninja -C $(B)

release: ## build-release, with the hardening flags
	[ -e build-release/build.ninja ] || meson setup build-release -Dbuildtype=release -Db_sanitize=none -Dhardening=true
	ninja -C build-release

test: ## everything; T=unit, fuzz or e2e for a part
	./test $(T)

e2e: all ## end to end; T=test_clients for one file, K=name for one test
	unshare $$([ "$$(id -u)" = 0 ] || echo --user --map-root-user) --net --mount --kill-child -- sh -c \
	  'ip link set lo up && exec /usr/bin/python3 -m pytest -x -q -p no:cacheprovider tests/e2e/$(T)$(if $(T),.py) $(if $(K),-k $(K))'

fuzz: ## libFuzzer on one target: P=smtp_path, S=seconds (default: until Ctrl-C)
	[ -e build-fuzz/build.ninja ] || CC=clang meson setup build-fuzz -Dfuzz=true -Db_sanitize=address,undefined
	ninja -C build-fuzz fuzz_$(P)
	mkdir -p build-fuzz/corpus/$(P)
	build-fuzz/fuzz_$(P) $(if $(S),-max_total_time=$(S)) build-fuzz/corpus/$(P) tests/corpus/fuzz/$(P)

check-kill: all ## kill -9 of random roles, N rounds (default 100)
	tools/kill-test $(or $(N),100)

style: ## what clang-format would change
	clang-format --dry-run $$(git ls-files 'src/*.[ch]' 'tests/*.[ch]')

tidy: ## clang-tidy over src/
	ninja -C $(B) && run-clang-tidy -quiet -p $(B) "$$PWD/src/.*\.c"

longest: ## the longest functions
	@git ls-files 'src/*.c' | ctags -L - --c-kinds=f --fields=+ne -f - 2>/dev/null | awk -F'\t' '{for(i=4;i<=NF;i++){if($$i~/^line:/)l=substr($$i,6);if($$i~/^end:/)e=substr($$i,5)} print e-l, $$2":"l, $$1}' | sort -rn | head -20

$(B)/build.ninja:
	meson setup $(B)

.PHONY: help all release test e2e fuzz check-kill style tidy longest
