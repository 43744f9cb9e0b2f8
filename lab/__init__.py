"""Every platform, and guests for it, as something that runs on one machine."""
