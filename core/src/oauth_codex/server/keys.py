"""Bearer keys: where they come from, and which namespace a key opens.

An entry is `NAME:KEY` or `KEY`. NAME is the namespace that the key sees, so a key can be replaced while the objects stay; a bare KEY
sees a namespace of its own. Keys are kept as SHA-256 digests only.
"""

from __future__ import annotations

import hashlib
import hmac
import logging
import os
import re
import stat
from collections.abc import Iterable, Mapping
from pathlib import Path

from ..errors import AuthenticationError, ConfigurationError

log = logging.getLogger("oauth_codex")

_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")
_KEY = re.compile(r"[!-+\--9;-~]{1,512}")  # visible ASCII without ',' and ':'
_FORM = "NAME:KEY or KEY; NAME has letters, digits, '_' and '-', and a KEY is visible ASCII without ',' and ':'"
#: What tells one version of a file from another.
_Stamp = tuple[int, int, int, int]


class Keys:
    """The keys of a server, those of a file as it is now."""

    def __init__(
        self,
        *,
        variable: str | None = None,
        file: str | os.PathLike[str] | None = None,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        """Read the keys.

        Args:
            variable: Name of an environment variable with entries separated by commas or white space; read once.
            file: Path of a file with one entry a line, `#` begins a comment; read again whenever it changes. A version of it that
                cannot be read is logged, and the keys before it stay good.
            environment: Where the variable is looked up; by default the environment of the process.

        Raises:
            ConfigurationError: There are no keys, or an entry is malformed. No message shows a key.
        """
        if variable is None and file is None:
            raise ConfigurationError("Keys come from a variable, a file or both; name at least one.", key="keys")
        self._single: str | None = None
        self._fixed: dict[bytes, str] = {}
        if variable is not None:
            text = (os.environ if environment is None else environment).get(variable, "")
            self._fixed = _parsed(re.split(r"[,\s]+", text), f"the variable {variable}")
        self._file = None if file is None else Path(file)
        self._stamp: _Stamp | None = None
        self._all = self._fixed
        if self._file is not None:
            try:
                self._stamp = _stamp(self._file)
                self._all = self._merged(self._file)
            except OSError as error:
                raise ConfigurationError(
                    f"The file of keys {str(self._file)!r} cannot be read: {error.strerror}.", key="api-key-file"
                ) from None
            _warn_if_open(self._file)

    @property
    def namespaces(self) -> list[str]:
        """Names of the namespaces that the keys open, sorted."""
        return sorted(set(self._all.values()))

    def require_single(self, driver: str) -> None:
        """Refuse keys of several namespaces, now and whenever the file changes: the driver cannot keep them apart.

        Raises:
            ConfigurationError: There are several.
        """
        self._single = driver
        self._check_single(self._all)

    def namespace(self, authorization: bytes | None) -> str:
        """The namespace that the value of an `Authorization` header opens.

        Raises:
            AuthenticationError: There is no key in it, or no such key.
        """
        if self._file is not None:
            self._refresh(self._file)
        scheme, _, key = (authorization or b"").strip().partition(b" ")
        key = key.strip()
        if scheme.lower() != b"bearer" or not key:
            raise AuthenticationError(
                "You didn't provide an API key. Send it in the header 'Authorization: Bearer YOUR_KEY'.", code=None
            )
        presented = hashlib.sha256(key).digest()
        found = None
        for digest, namespace in self._all.items():  # all of them, so that the time tells nothing
            if hmac.compare_digest(digest, presented):
                found = namespace
        if found is None:
            raise AuthenticationError("Incorrect API key provided.", code="invalid_api_key")
        return found

    def _refresh(self, path: Path) -> None:
        try:
            now = _stamp(path)
        except OSError as error:
            self._failed(None, f"it cannot be read: {error.strerror}")
            return
        if now == self._stamp:
            return
        try:
            self._all = self._merged(path)
        except OSError as error:
            self._failed(now, f"it cannot be read: {error.strerror}")
        except ConfigurationError as error:
            self._failed(now, str(error))
        else:
            self._stamp = now
            _warn_if_open(path)
            log.info("The file of keys has changed; namespaces: %s", ", ".join(self.namespaces))

    def _failed(self, stamp: _Stamp | None, reason: str) -> None:
        if stamp != self._stamp:  # once for each version of the file
            log.error("The file of keys %r is not taken; the keys before it stay good: %s", str(self._file), reason)
        self._stamp = stamp

    def _merged(self, path: Path) -> dict[bytes, str]:
        try:
            lines = path.read_text(encoding="utf-8").splitlines()
        except UnicodeDecodeError:
            raise ConfigurationError(f"The file of keys {str(path)!r} is not UTF-8 text.", key="keys") from None
        found = _parsed((line.partition("#")[0].strip() for line in lines), f"the file {str(path)!r}")
        for digest, namespace in self._fixed.items():
            if found.setdefault(digest, namespace) != namespace:
                raise ConfigurationError(
                    f"A key stands for two namespaces: {namespace} and {found[digest]}.", key="keys"
                )
        self._check_single(found)
        return found

    def _check_single(self, found: Mapping[bytes, str]) -> None:
        names = sorted(set(found.values()))
        if self._single is not None and len(names) > 1:
            raise ConfigurationError(
                f"The driver {self._single!r} has no namespaces, so it cannot keep the objects of the keys {', '.join(names)} apart."
                " Give all keys the same NAME (NAME:KEY), or run one server for each.",
                key="keys",
            )

    def __repr__(self) -> str:
        return f"Keys(namespaces={self.namespaces})"


def _parsed(entries: Iterable[str], where: str) -> dict[bytes, str]:
    """Namespace by digest of the key."""
    found: dict[bytes, str] = {}
    for number, entry in enumerate(entries, 1):
        if not entry:
            continue
        name, colon, key = entry.rpartition(":")
        if not _KEY.fullmatch(key) or (colon and not _NAME.fullmatch(name)):
            raise ConfigurationError(
                f"Entry {number} of {where} is malformed (it is not shown). Expected {_FORM}.", key="keys"
            )
        digest = hashlib.sha256(key.encode()).digest()
        namespace = name or f"key-{digest.hex()[:16]}"
        if found.setdefault(digest, namespace) != namespace:
            raise ConfigurationError(
                f"Entry {number} of {where}: its key stands for the namespace {found[digest]} already, not for {namespace}.",
                key="keys",
            )
    if not found:
        raise ConfigurationError(f"There is no key in {where}. Expected entries of the form {_FORM}.", key="keys")
    return found


def _stamp(path: Path) -> _Stamp:
    found = path.stat()
    return found.st_mtime_ns, found.st_ctime_ns, found.st_size, found.st_ino


def _warn_if_open(path: Path) -> None:
    if os.name != "nt" and stat.S_IMODE(path.stat().st_mode) & 0o077:
        log.warning("The file of keys %r can be read by other users; run: chmod 600 %s", str(path), path)
