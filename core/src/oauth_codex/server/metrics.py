"""What the server counts, as Prometheus reads it. No label holds an id, a path or a key."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

CONTENT_TYPE = b"text/plain; version=0.0.4; charset=utf-8"


class Metrics:
    """The counters of one application."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._requests = Counter(
            "oauth_codex_requests",
            "Requests answered, by operation and status; status 499 is a client that went away.",
            ("operation", "status"),
            registry=self.registry,
        )
        self._seconds = Histogram(
            "oauth_codex_request_seconds",
            "Time from the head of a request to the end of its answer.",
            ("operation",),
            buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60),
            registry=self.registry,
        )
        self._open = Gauge(
            "oauth_codex_requests_in_flight", "Requests being received, performed or answered.", registry=self.registry
        )
        self.performing = Gauge(
            "oauth_codex_requests_performing", "Requests that take one of the places.", registry=self.registry
        )
        self.uploaded = Counter(
            "oauth_codex_upload_bytes", "Bytes of uploaded files received whole.", registry=self.registry
        )

    def begun(self) -> None:
        """A request has arrived."""
        self._open.inc()

    def ended(self, operation: str, status: int, seconds: float) -> None:
        """A request is done with; `status` is 0 where the connection ended without an answer."""
        self._open.dec()
        self._requests.labels(operation, str(status or 499)).inc()
        self._seconds.labels(operation).observe(seconds)

    def text(self) -> bytes:
        """All of it in the text format."""
        return generate_latest(self.registry)
