"""Files: what a model file says, the two containers it comes in, and how every file is written."""
