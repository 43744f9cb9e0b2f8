"""What is inside a Windows image: its registry, drivers, settings and first-boot work."""
