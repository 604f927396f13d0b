"""A function for each row of benchmarks/catalogue.py: takes a Bench, gives back a Measured."""
