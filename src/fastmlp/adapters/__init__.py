"""Bridges to other packages; each imports its own when it is first needed."""
