"""Small projects of others that use parts of this package."""
