"""Files of tables as people have them, as pandas frames.

What cannot be told for certain is said, and can be set.
"""
