"""Arrays: `.npz` and IDX files, a `Network`, and what it makes of rows."""
