"""Workflow files: one source, many targets; each target is a job of a service."""
