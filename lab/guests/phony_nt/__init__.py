"""What runs inside a phony Windows: the part of an NT boot that decides over a migrated image.

Started by the initramfs as process 1; Python's standard library, busybox and imageport's own
registry reader are all there is. Imports inside the package are relative: it is a package of its
own in the initramfs.
"""
