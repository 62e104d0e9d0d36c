"""A long run under everything that goes wrong: `make soak`."""
