"""Files shared by all processes; may import lib.config.model, lib.radius.accounting and lib.radius.server_status."""
