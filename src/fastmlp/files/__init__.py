"""Files: how every file of the package is written, whole or not at all."""
