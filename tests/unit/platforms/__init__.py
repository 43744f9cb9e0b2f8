"""Platforms, without anything to talk to."""
