"""Secrets at rest: a data key for each customer, wrapped by a master key."""
