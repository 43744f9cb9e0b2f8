"""The agent that runs inside the engine. Standard library only: every import costs boot time."""
