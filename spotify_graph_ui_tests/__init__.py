"""Tests that click through the real UI in a real browser, and take the pictures that the documents show."""
