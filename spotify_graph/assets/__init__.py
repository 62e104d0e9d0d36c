"""The software-defined assets, one module for each group. Thin: what they compute is in transforms."""
