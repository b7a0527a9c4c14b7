"""The tests of the kit, one class for each topic."""
