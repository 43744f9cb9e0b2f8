"""OpenTelemetry traces: what is told of a job's way, and whom it is told."""
