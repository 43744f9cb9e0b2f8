"""imageport: an open Image Portability Service."""

__version__ = "0.1.0"
