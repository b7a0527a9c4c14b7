"""The options of a driver, checked by the driver's own model."""

from __future__ import annotations

import types
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, Any, Literal, Union, get_args, get_origin

from ..config import Setting, looks_secret, redacted_text
from . import messages
from .kinds import Kind

if TYPE_CHECKING:
    from pydantic import BaseModel
    from pydantic.fields import FieldInfo

_BOUNDS = (
    ("gt", "> {}"),
    ("ge", ">= {}"),
    ("lt", "< {}"),
    ("le", "<= {}"),
    ("multiple_of", "a multiple of {}"),
    ("min_length", "length >= {}"),
    ("max_length", "length <= {}"),
    ("pattern", "matching {}"),
)


def validated(kind: Kind, name: str, model: type[BaseModel], options: Mapping[str, Setting]) -> BaseModel:
    """An instance of the driver's model.

    Values that come from variables are text, and are converted by the model.

    Raises:
        ConfigurationError: An option is unknown, missing or wrong; names it, its value, origin and what is
            accepted.
    """
    import pydantic

    known = _known(model)
    fields = {accepted: field for field, names in known.items() for accepted in names}
    described = {names[0]: describe_field(model.model_fields[field]) for field, names in known.items()}
    # Asked here, because a model that merely ignores what it does not know is pydantic's default.
    if model.model_config.get("extra") != "allow":
        for option, setting in options.items():
            if option not in fields:
                raise messages.unknown_option(kind, name, option, setting, described)
    try:
        return model.model_validate({option: setting.value for option, setting in options.items()})
    except pydantic.ValidationError as error:
        first = error.errors(include_url=False, include_context=False, include_input=False)[0]
    # A field that its model keeps out of its repr is a secret.
    secret = {option for option, field in fields.items() if not model.model_fields[field].repr}
    options = {
        option: replace(setting, value="***") if option in secret else setting for option, setting in options.items()
    }
    # Outside the handler: pydantic's own text, which shows the input, must not appear in a traceback.
    option = str(first["loc"][0]) if first["loc"] else ""
    if first["type"] == "missing" and option not in options:
        raise messages.missing_option(kind, name, option, described)
    if option not in options:
        raise messages.wrong_together(kind, name, options, _sentence(first["msg"], options))
    reason = _sentence(first["msg"], options)
    if isinstance(options[option].value, Mapping | list | tuple) and first["loc"][1:]:
        reason = f"at {'.'.join(map(str, first['loc'][1:]))}: {reason}"
    accepted = describe_field(model.model_fields[fields[option]]) if option in fields else "see the driver"
    raise messages.wrong_option(kind, name, option, options[option], reason, accepted)


def _sentence(text: str, options: Mapping[str, Setting]) -> str:
    """A message of a model as part of a sentence, without any value that must not be shown."""
    text = text.removeprefix("Value error, ").removeprefix("Assertion failed, ").rstrip(".")
    for option, setting in options.items():
        if looks_secret(option) and str(setting.value):
            text = text.replace(str(setting.value), "***")
    return redacted_text(text)


def _known(model: type[BaseModel]) -> dict[str, list[str]]:
    """Fields of a model, each with the names under which it may be given, the preferred one first."""
    by_name = bool(model.model_config.get("populate_by_name") or model.model_config.get("validate_by_name"))
    known = {}
    for field, info in model.model_fields.items():
        alias = info.validation_alias
        choices = getattr(alias, "choices", [alias] if alias is not None else [field])
        names = [choice for choice in choices if isinstance(choice, str)]
        known[field] = [field, *names] if (by_name and field not in names) or not names else names
    return known


def describe_field(field: FieldInfo) -> str:
    """Type and bounds of a field, for people: `int, >= 2`."""
    bounds = [
        text.format(getattr(bound, attribute))
        for bound in field.metadata
        for attribute, text in _BOUNDS
        if getattr(bound, attribute, None) is not None
    ]
    return ", ".join([describe_type(field.annotation), *bounds])


def describe_type(annotation: Any) -> str:
    """An annotation, for people: `'a' or 'b'`, `int or None`."""
    if annotation is None or annotation is type(None):
        return "None"
    origin = get_origin(annotation)
    if origin is Literal:
        return " or ".join(repr(value) for value in get_args(annotation))
    if origin in (Union, types.UnionType):
        return " or ".join(describe_type(part) for part in get_args(annotation))
    if origin is Annotated:
        return describe_type(get_args(annotation)[0])
    if isinstance(annotation, type) and origin is None:
        return annotation.__name__
    if origin is Callable:
        return "a function"
    if origin is not None:
        return f"{origin.__name__}[{', '.join(map(describe_type, get_args(annotation)))}]"
    return str(annotation).replace("typing.", "")
