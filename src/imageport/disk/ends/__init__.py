"""Remote ends: where the bytes of a disk come from or go to over a network."""
