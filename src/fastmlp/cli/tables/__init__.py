"""Tables: a file, the tabular estimator, and what it makes of rows."""
