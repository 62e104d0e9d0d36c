"""How good the models are: a split in time, textbook metrics, baselines, and the search for parameters."""
