"""What is inside an image: inspect, plan, apply, verify. Runs inside the engine as root."""
