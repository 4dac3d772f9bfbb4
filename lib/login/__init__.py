"""The conversation with the user, pure: no SDK, no network, no clock."""
