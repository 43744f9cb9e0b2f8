"""The connector: takes jobs from a service, each in its own process, and keeps their leases."""
