"""The service against real databases, real HTTP and real processes."""
