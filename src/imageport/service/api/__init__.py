"""Routes, tokens, roles and problems: each route is one call of the store."""
