"""Converting an MBR disk whose Windows a BIOS starts to GPT and UEFI (SPEC B7)."""
