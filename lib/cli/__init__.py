"""The command line of the zip, for machines without SPS. It may import all of lib but the SDK; hooks never use it."""
