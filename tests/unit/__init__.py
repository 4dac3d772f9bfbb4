"""Pure tests: no socket, no process, no sleep."""
