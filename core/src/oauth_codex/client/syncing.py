"""What differs between a folder and the store that mirrors it, and one upload."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .. import messages as say
from ..errors import BadRequestError, OAuthCodexError, ParameterValidationError
from ..spi.operations import FILES_DELETE
from .contents import PATH, SHA256, Hashed, fitting, open_regular, read
from .finding import Found, Survey, reason, survey
from .ignoring import Ignored, checked
from .steps import Step, Steps

if TYPE_CHECKING:
    from ..types.vector_stores import AttributeValue, VectorStoreFile
    from .base import Core

#: Attribute of a file that `sync` has put into a store: under which prefix. Others are never touched.
SYNC = "sync"
OWN = (PATH, SHA256, SYNC)
_LONGEST_PREFIX = 200
#: Files, and bytes of content, that are held at a time; and unchanged files between two reports of progress.
_GROUP_FILES, _GROUP_BYTES, _UNCHANGED = 32, 16_000_000, 200


@dataclass
class Known:
    """A file that is in the store, and the ids of older versions, left over from a run that was interrupted."""

    file: VectorStoreFile
    older: list[str] = field(default_factory=list)

    @property
    def ids(self) -> list[str]:
        """Ids of all versions."""
        return [self.file.id, *self.older]


@dataclass(frozen=True, slots=True)
class Difference:
    """A file that the store does not have as it is.

    Attributes:
        name: Its name.
        content: Its content, or where that lies.
        size: Bytes of it.
        sha256: Its checksum.
        attributes: All attributes that it shall have.
        known: What the store has of it.
    """

    name: str
    content: bytes | Path
    size: int
    sha256: str
    attributes: Mapping[str, AttributeValue]
    known: Known | None


@dataclass(frozen=True, slots=True)
class Settings:
    """How a folder is mirrored.

    Attributes:
        exclude: Patterns of what is left out.
        prefix: What stands in front of every name.
        attributes: Attributes of every file; None leaves those of files that are there.
        chunking: How to split files; None leaves that of files that are there.
    """

    exclude: Sequence[str]
    prefix: str
    attributes: Mapping[str, AttributeValue] | None
    chunking: Mapping[str, Any] | None

    @classmethod
    def checked(cls, exclude: Any, prefix: Any, attributes: Any, chunking: Any) -> Settings:
        """The settings that were given; what the API checks itself is left to it.

        Raises:
            ParameterValidationError: One is wrong.
        """
        if not isinstance(prefix, str):
            raise say.wrong_type("prefix", prefix, "a string")
        if len(prefix) > _LONGEST_PREFIX:
            raise ParameterValidationError(
                f"Invalid 'prefix': {say.shown(prefix)}. Expected at most {_LONGEST_PREFIX} characters.", param="prefix"
            )
        if attributes is not None and not isinstance(attributes, Mapping):
            raise say.wrong_type("attributes", attributes, "an object")
        for name in OWN:
            if name in (attributes or {}):
                raise ParameterValidationError(
                    f"Invalid 'attributes': {name!r} is one of those that sync sets itself: {', '.join(OWN)}.",
                    param="attributes",
                )
        return cls(checked(exclude), prefix, attributes, chunking)

    @property
    def mark(self) -> str:
        """What the attribute `sync` of every file is."""
        return f"/{self.prefix}"

    def sample(self, vector_store_id: str) -> dict[str, object]:
        """Fields of a request as every file will make it."""
        attributes = {**(self.attributes or {}), PATH: "", SHA256: "", SYNC: self.mark}
        fields: dict[str, object] = {
            "vector_store_id": vector_store_id,
            "file_id": "file-new",
            "attributes": attributes,
        }
        return fields if self.chunking is None else {**fields, "chunking_strategy": self.chunking}


class Mirror:
    """A folder, and what a store holds of it. Blocks while it reads."""

    def __init__(self, root: Path, settings: Settings, *, use_gitignore: bool) -> None:
        self.root = root
        self.settings = settings
        self._ignored = Ignored(settings.exclude, files=use_gitignore)
        self._prefix = settings.prefix
        self._attributes = settings.attributes
        self._chunking = settings.chunking
        self.known: dict[str, Known] = {}
        self.found = Survey()
        self.unchanged: list[str] = []
        self.failed: dict[str, str] = {}
        #: Older versions of files that are as they must be.
        self.superseded: list[str] = []

    def look(self) -> None:
        """Find the files.

        Raises:
            ParameterValidationError: The root is no folder.
        """
        if not self.root.is_dir():
            raise ParameterValidationError(
                f"Invalid 'directory': {say.shown(str(self.root))} is no folder.", param="directory"
            )
        self.found = survey([self.root], ignored=self._ignored)
        # A path, and not a name below the folder, is that of a file whose name another one has.
        self.failed = {name if os.path.isabs(name) else self._prefix + name: why for name, why in self.found.failed}

    def remember(self, file: VectorStoreFile) -> None:
        """Take note of a file of the store; the newest come first."""
        attributes = file.attributes or {}
        path = attributes.get(PATH)
        if attributes.get(SYNC) != self.settings.mark or not isinstance(path, str):
            return
        if path in self.known:
            self.known[path].older.append(file.id)
        else:
            self.known[path] = Known(file)

    def groups(self) -> Iterator[list[Difference]]:
        """What the store does not have as it is, some files at a time; groups may be empty."""
        group: list[Difference] = []
        held = unchanged = 0
        for file in self.found.files:
            different = self._compared(file)
            if different is None:
                unchanged += 1
            else:
                group.append(different)
                held += 0 if isinstance(different.content, Path) else different.size
            if len(group) >= _GROUP_FILES or held >= _GROUP_BYTES or unchanged >= _UNCHANGED:
                yield group
                group, held, unchanged = [], 0, 0
        yield group

    def gone(self) -> dict[str, Known]:
        """What the store has and the folder has not, by path; what nobody could look at is not gone."""
        here = {fitting(self._prefix + file.name) for file in self.found.files}
        here |= {fitting(name) for name in self.failed}
        unseen = tuple(self._prefix + name for name in self.found.unseen)
        return {path: known for path, known in self.known.items() if path not in here and not path.startswith(unseen)}

    def _compared(self, file: Found) -> Difference | None:
        """What is different, if anything is. Always by content: times and sizes may stay while that changes."""
        name = self._prefix + file.name
        try:
            content, sha256 = read(file.path)
        except OSError as error:
            self.failed[name] = reason(error)
            return None
        known = self.known.get(fitting(name))
        if known is not None and self._is_current(known.file, sha256):
            self.superseded += known.older
            self.unchanged.append(name)
            return None
        kept = {} if known is None else known.file.attributes or {}
        if self._attributes is not None:
            kept = dict(self._attributes)
        attributes = {**kept, PATH: fitting(name), SHA256: sha256, SYNC: self.settings.mark}
        size = file.size if isinstance(content, Path) else len(content)
        return Difference(name, content, size, sha256, attributes, known)

    def _is_current(self, file: VectorStoreFile, sha256: str) -> bool:
        own = file.attributes or {}
        if file.status != "completed" or own.get(SHA256) != sha256:
            return False
        if self._attributes is not None and _typed(self._attributes) != _typed(own):
            return False
        wanted = self._chunking
        if wanted is None or wanted.get("type") != "static" or file.chunking_strategy is None:
            return True
        return bool(file.chunking_strategy.to_dict() == wanted)

    def upload(self, core: Core, vector_store_id: str, each: Difference) -> Steps[VectorStoreFile | str]:
        """Put a file into the store; the answer is it, or why it could not be."""
        fields: dict[str, object] = {"attributes": each.attributes}
        chunking = self._chunking
        if chunking is None and each.known is not None and each.known.file.chunking_strategy is not None:
            old = each.known.file.chunking_strategy.to_dict()
            chunking = old if old.get("type") == "static" else None
        if chunking is not None:
            fields["chunking_strategy"] = chunking
        with ExitStack() as stack:
            content: Any = each.content
            try:
                if isinstance(content, Path):
                    stream = yield Step(partial(_opened, stack, content))
                    content = Hashed(stream)
                found: VectorStoreFile = yield from core.attach_new(
                    vector_store_id, (each.name, content), "assistants", fields, {}
                )
            except BadRequestError as error:
                return error.user_message
            except OAuthCodexError:  # some are OSErrors too, but not of the file
                raise
            except OSError as error:
                return reason(error)
        if isinstance(content, Hashed) and content.sha256 != each.sha256:
            yield from core.call(FILES_DELETE, {"file_id": found.id}, {})
            return "It changed while it was read; run it again."
        return found


def _typed(attributes: Mapping[str, AttributeValue]) -> dict[str, tuple[bool, AttributeValue]]:
    """The attributes that are not of `sync`, with truth values told from numbers."""
    return {name: (isinstance(value, bool), value) for name, value in attributes.items() if name not in OWN}


def _opened(stack: ExitStack, path: Path) -> Any:
    return stack.enter_context(open_regular(path))


def next_group(groups: Iterator[list[Difference]]) -> list[Difference] | None:
    """The next group, or None."""
    return next(groups, None)
