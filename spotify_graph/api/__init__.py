"""Recommendations over HTTP: `spotify-graph serve`. It reads the graph, and knows neither Dagster nor Spark."""
