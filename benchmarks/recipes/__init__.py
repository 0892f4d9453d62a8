"""Whole trainings beside PyTorch's and JAX's of the same recipe."""
