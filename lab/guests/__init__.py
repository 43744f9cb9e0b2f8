"""Master images for tests: a bootable phony Windows and a real Debian."""
