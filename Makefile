# `make demo` and `make test` need nothing but git, make and python3 (3.11 or newer) on Debian 12.

PYTHON ?= python3
BIN := .venv/bin

# docs/dependencies.md says what each is for.
PACKAGES := \
	binutils btrfs-progs busybox-static cpio dosfstools e2fsprogs fakeroot fdisk fuse3 gdisk \
	grub-common grub-efi-amd64-signed grub-pc-bin kmod libhivex0 lvm2 \
	mmdebstrap mtools nbd-server nbdkit nginx-light ntfs-3g ovmf postgresql python3-venv \
	qemu-system-common qemu-system-x86 \
	qemu-utils samba shim-signed smbclient systemd-boot-efi systemd-journal-remote tinyproxy \
	uidmap util-linux xfsprogs xorriso zstd

# Debian's npm cannot be installed beside a nodejs that brings its own.
ifeq ($(shell command -v npm),)
PACKAGES += nodejs npm
endif

SUDO := $(shell [ "$$(id -u)" = 0 ] || echo sudo)
APT_INSTALL := $(SUDO) env DEBIAN_FRONTEND=noninteractive apt-get \
	-o DPkg::Lock::Timeout=300 install --yes --no-install-recommends

.PHONY: setup packages demo test test-full lint bench lock api-docs

setup: packages .venv/.complete .clients/.complete lab/azure/node_modules/.complete

# The package index is only fetched when apt cannot do without.
packages:
	@missing=""; \
	for package in $(PACKAGES); do \
		dpkg -s "$$package" 2>/dev/null | grep -q '^Status: .* installed$$' \
			|| missing="$$missing $$package"; \
	done; \
	[ -z "$$missing" ] && exit 0; \
	echo "Installing Debian packages:$$missing"; \
	$(APT_INSTALL) $$missing || { \
		$(SUDO) apt-get -o DPkg::Lock::Timeout=300 update && $(APT_INSTALL) $$missing; \
	}

# The stamp is written last, so that an interrupted setup is done again. uv, which installs all the
# rest, comes in the version of the same lock.
.venv/.complete: requirements.lock pyproject.toml | packages
	[ -x $(BIN)/python ] || $(PYTHON) -m venv .venv
	sed -n '/^uv==/,/[^\\]$$/p' requirements.lock > .venv/uv.lock
	$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r .venv/uv.lock
	$(BIN)/uv pip sync --quiet --python $(BIN)/python --require-hashes requirements.lock
	$(BIN)/uv pip install --quiet --python $(BIN)/python --no-deps -e .
	touch $@

# Environments of their own: what is in them is run as programs, never imported.
.clients/.complete: tests/contract/clients/requirements.lock
.oracles/.complete: tests/golden/oracles/requirements.lock
.peers/.complete: bench/peers/requirements.lock
.clients/.complete .oracles/.complete .peers/.complete: .venv/.complete
	$(BIN)/uv venv --quiet --clear --python $(BIN)/python $(@D)
	$(BIN)/uv pip sync --quiet --python $(@D)/bin/python --require-hashes \
		$(filter %.lock,$^)
	touch $@

lab/azure/node_modules/.complete: lab/azure/package.json lab/azure/package-lock.json | packages
	npm --prefix lab/azure ci --ignore-scripts --no-audit --no-fund --loglevel=error
	touch $@

demo: setup
	$(BIN)/python -m lab.demo

test: setup
	$(BIN)/python -m pytest -n 2 --dist loadgroup -m "not slow" tests

# Independent programs that slow tests ask for their opinion, apart from what other tests need.
test-full: PACKAGES += guestfs-tools wine wine64
test-full: setup .oracles/.complete
	$(BIN)/python -m pytest -n 2 --dist loadgroup tests

lint: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

# What is measured beside, apart from what tests need.
bench: PACKAGES += libnbd-bin pigz virt-v2v
bench: setup .peers/.complete
	mkdir -p .bench
	PYTHONPATH=. $(BIN)/python bench/local.py .bench 8
	PYTHONPATH=. $(BIN)/python bench/smb.py .bench 2
	PYTHONPATH=. $(BIN)/python -m bench.staging .bench 2
	PYTHONPATH=. $(BIN)/python bench/ebs.py .bench
	PYTHONPATH=. $(BIN)/python bench/pageblob.py .bench
	PYTHONPATH=. $(BIN)/python -m bench.gcs .bench 1024
	PYTHONPATH=. $(BIN)/python -m bench.dispatch
	PYTHONPATH=. $(BIN)/python -m bench.prepare .bench
	rm -rf .bench

# docs/api.md; a test says when it is no longer what the code gives.
api-docs: setup
	$(BIN)/python -m docs.api.render

LOCK := uv pip compile --generate-hashes --no-emit-index-url --no-annotate --no-header \
	--python-version 3.11

lock: setup
	$(BIN)/$(LOCK) pyproject.toml --group dev -o requirements.lock
	$(BIN)/$(LOCK) pyproject.toml --group build --constraint requirements.lock \
		-o requirements-run.lock
	$(BIN)/$(LOCK) tests/golden/oracles/requirements.in -o tests/golden/oracles/requirements.lock
	$(BIN)/$(LOCK) tests/contract/clients/requirements.in -o tests/contract/clients/requirements.lock
	$(BIN)/$(LOCK) bench/peers/requirements.in -o bench/peers/requirements.lock
