"""The words of imageport: errors, findings, targets, guests, jobs. No I/O, no other layer."""
