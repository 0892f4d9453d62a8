"""The engine beside the packages that could be picked instead: ``python -m benchmarks.peers --help``."""
