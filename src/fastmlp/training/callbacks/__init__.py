"""The callbacks of a fit; users find them in `fastmlp.callbacks`."""
