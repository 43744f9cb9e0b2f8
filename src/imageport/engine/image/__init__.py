"""Builds the engine image: one small Debian disk that starts on BIOS and UEFI, everywhere."""
