"""The `imageport` command."""
