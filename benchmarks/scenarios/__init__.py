"""One module a scenario; each has `run(bench)`, which yields rows."""
