"""The command line of the zip, for machines without SPS; hooks never use it.

May also import: authenticator, config, login, radius, recovery_code, session, state.
"""
