"""Linux guests: their configuration files as pure functions, and how they are inspected."""
