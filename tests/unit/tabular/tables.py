"""What the tests of tables have in common."""

from fastmlp.tabular import frames
from fastmlp.tabular.encoding import TableEncoder


def learned(X, **options):
    return TableEncoder.learn(frames.read(X), **options)


def kinds(X, **options):
    """The kind of every column by name."""
    return {row["column"]: row["kind"] for row in learned(X, **options).report()}


def became(X, name, **options):
    """(kind, note) of one column."""
    row = next(row for row in learned(X, **options).report() if row["column"] == name)
    return row["kind"], row["note"]
