"""Service and connector of one computer in one process."""
