"""Errors and seconds of the tabular estimators beside other packages', on a folder of tables."""
