"""What all models share: unknown fields are kept, and a model can be read like a mapping."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from pydantic import BaseModel, ConfigDict, PrivateAttr

if TYPE_CHECKING:
    from collections.abc import ItemsView, KeysView, ValuesView


class Model(BaseModel):
    """Base of the objects that calls return.

    Attributes are typed; `model["id"]`, `model.get("id")`, `"id" in model`, `dict(model)` and `{**model}` work as well, over
    declared fields and unknown extra ones, never over methods.
    """

    model_config = ConfigDict(extra="allow", defer_build=True, protected_namespaces=())

    def _fields(self) -> dict[str, Any]:
        return {**self.__dict__, **(self.__pydantic_extra__ or {})}

    def __getitem__(self, key: str) -> Any:
        return self._fields()[key]

    def __contains__(self, key: object) -> bool:
        return key in self._fields()

    def get(self, key: str, default: Any = None) -> Any:
        """The field of that name, or `default`."""
        return self._fields().get(key, default)

    def keys(self) -> KeysView[str]:
        """Names of the fields, extra ones included."""
        return self._fields().keys()

    def values(self) -> ValuesView[Any]:
        """Values of the fields."""
        return self._fields().values()

    def items(self) -> ItemsView[str, Any]:
        """Names and values of the fields."""
        return self._fields().items()

    def to_dict(
        self,
        *,
        mode: Literal["json", "python"] = "python",
        exclude_unset: bool = True,
        exclude_defaults: bool = False,
        exclude_none: bool = False,
        warnings: bool = True,
    ) -> dict[str, Any]:
        """The object as a plain dict, by default with the fields that were set."""
        return self.model_dump(
            mode=mode,
            exclude_unset=exclude_unset,
            exclude_defaults=exclude_defaults,
            exclude_none=exclude_none,
            warnings=warnings,
        )

    def to_json(
        self,
        *,
        indent: int | None = 2,
        exclude_unset: bool = True,
        exclude_defaults: bool = False,
        exclude_none: bool = False,
        warnings: bool = True,
    ) -> str:
        """The object as JSON text."""
        return self.model_dump_json(
            indent=indent,
            exclude_unset=exclude_unset,
            exclude_defaults=exclude_defaults,
            exclude_none=exclude_none,
            warnings=warnings,
        )


class Tagged(Model):
    """Base of the objects with fields that have one value only, as `object` has: those count as set, as if a server had sent them."""

    def model_post_init(self, _context: Any) -> None:
        """Count the fields of one value as set."""
        for name, field in type(self).model_fields.items():
            if isinstance(field.default, str | bool):
                self.__pydantic_fields_set__.add(name)


class Answer(Tagged):
    """Base of the objects that are the whole answer of a call, and carry its request id."""

    _request_id: str | None = PrivateAttr(default=None)

    def __eq__(self, other: object) -> bool:
        """Whether both say the same; the request that told it does not matter."""
        if type(other) is not type(self):
            return NotImplemented
        return self.__dict__ == other.__dict__ and self.__pydantic_extra__ == other.__pydantic_extra__

    __hash__ = None  # type: ignore[assignment]  # mutable, as every model


class Record(dict[str, Any]):
    """A plain dict whose entries can be read as attributes too."""

    _request_id: str | None = None

    def __getattr__(self, name: str) -> Any:
        try:
            return self[name]
        except KeyError:
            raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}") from None

    def to_dict(self) -> dict[str, Any]:
        """A plain copy."""
        return dict(self)
