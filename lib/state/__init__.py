"""Files shared by all processes of the plugin; test_architecture.py lists what it may import."""
