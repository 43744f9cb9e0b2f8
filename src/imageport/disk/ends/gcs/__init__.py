"""Google Cloud Storage: objects as image files to read, and to write front to back."""

from imageport.disk.ends.gcs.file import GcsFile
from imageport.disk.ends.gcs.place import GcsPlace
from imageport.disk.ends.gcs.target import GcsMethod, GcsTarget

__all__ = ["GcsFile", "GcsMethod", "GcsPlace", "GcsTarget"]
