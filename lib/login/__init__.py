"""The conversation with the user, pure. May also import: config.model."""
