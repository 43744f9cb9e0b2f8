"""The documents of the API, shared by the service and everything that speaks to it."""
