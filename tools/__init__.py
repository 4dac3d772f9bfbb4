"""What builds and checks the project; nothing here goes into the zip."""
