"""Networks for places without this package or without Python: as C files, native addresses, folded."""
