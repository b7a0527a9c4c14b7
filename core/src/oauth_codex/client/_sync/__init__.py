# Generated from client/_async/__init__.py by core/tools/unasync.py: do not edit.
"""The sync client."""
