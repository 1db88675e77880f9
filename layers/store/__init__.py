"""Stores: the port and its two adapters."""
