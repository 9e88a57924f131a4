"""The HTTP API: motions made, read, changed and handed out over a network."""
