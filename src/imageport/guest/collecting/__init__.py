"""What diagnostics take from a guest: logs and traces, within limits, and no secret."""
