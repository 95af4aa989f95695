"""Clients that nobody here wrote, against a running server."""
