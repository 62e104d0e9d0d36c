"""The gates: what must hold of data on its way into the graph, as asset checks whose verdicts stay with the data."""
