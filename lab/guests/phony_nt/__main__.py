"""Process 1: `python3 -m phony_nt`."""

from .boot import main

main()
