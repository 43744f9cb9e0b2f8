"""Tables, migrations and every query of the service; nothing else speaks SQL."""
