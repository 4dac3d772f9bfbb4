#!/usr/bin/env pluginwrapper3
"""What SPS loads: the class Plugin."""

from lib.plugin import Plugin

__all__ = ["Plugin"]
