"""The conversation with the user, pure; may import lib.reasons and lib.config.model."""
