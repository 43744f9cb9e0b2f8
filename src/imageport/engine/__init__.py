"""The compositing engine: its image, the agent inside it, and the client that speaks to it."""
