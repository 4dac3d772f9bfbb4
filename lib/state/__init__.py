"""The files that all processes of the plugin share.

May also import: config.model, radius.accounting, radius.server_status, recovery_code.
"""
