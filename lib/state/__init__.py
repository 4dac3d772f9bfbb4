"""Files that the plugin's processes share."""
