"""One package per platform, each a handful of verbs (`base.Platform`)."""
