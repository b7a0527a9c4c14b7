"""What lies here is built, installed into an environment of its own and tested there, by `tests/packaging`."""

collect_ignore = ["acme-usearch-store"]
