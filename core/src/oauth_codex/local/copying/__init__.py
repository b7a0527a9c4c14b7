"""Giving and taking objects as they are, ids and times included."""
