"""Looking after a storage: compare, mend, clear away, copy."""
