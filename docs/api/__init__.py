"""The API's reference, rendered from its own description."""
