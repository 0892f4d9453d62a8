"""`description`: dataclasses of options, as layers, losses, optimizers and schedules are.

All of them share their methods, where `dataclasses.dataclass` writes and compiles some for each class: most
of the time of ``import fastmlp`` would go there.  An option that does not exist gets a sentence with those
that do.
"""

from __future__ import annotations

import dataclasses
import inspect
from typing import TYPE_CHECKING, Any

from .errors import unknown_option

__all__ = ["description", "option_names"]


class _Options:
    """What a class takes: found when its first object is made, as decorating must be quick."""

    def __init__(self, of: Any) -> None:
        fields = [item for item in dataclasses.fields(of) if item.init]
        self.fields = sorted(fields, key=lambda item: bool(item.kw_only))  # in the order of the call
        self.names = tuple(item.name for item in fields)
        self.places = [item.name for item in self.fields if not item.kw_only]
        self.defaults = {item.name: item.default for item in fields}
        missing = [item for item in fields if item.default is dataclasses.MISSING]
        self.makers = [(item.name, make) for item in missing if callable(make := item.default_factory)]
        self.required = [item.name for item in missing if not callable(item.default_factory)]
        self.compared = [item.name for item in fields if item.compare]
        self.checks = hasattr(of, "__post_init__")


def _options(cls: type[Any]) -> _Options:
    found: _Options | None = cls.__dict__.get("_options")
    if found is None:
        cls._options = found = _Options(cls)
    return found


def option_names(cls: type[Any]) -> tuple[str, ...]:
    """The options of a class, in the order in which it has them."""
    return _options(cls).names


def _init(self: Any, *values: Any, **options: Any) -> None:
    known = _options(type(self))
    given = {**known.defaults, **dict(zip(known.places, values, strict=False)), **options}
    if len(values) > len(known.places) or len(given) > len(known.defaults):
        raise _refusal(type(self).__name__, known, values, options)
    if values and options and not options.keys().isdisjoint(known.places[: len(values)]):
        raise _refusal(type(self).__name__, known, values, options)
    for name in known.required:
        if given[name] is dataclasses.MISSING:
            raise TypeError(f"{type(self).__name__} came without {name}, expected it")
    for name, make in known.makers:
        if given[name] is dataclasses.MISSING:
            given[name] = make()
    vars(self).update(given)
    if known.checks:
        self.__post_init__()


def _refusal(kind: str, known: _Options, values: tuple[Any, ...], options: dict[str, Any]) -> TypeError:
    """The error of a call that gives too much."""
    places = known.places
    if len(values) > len(places):
        at_most = f"expected at most {len(places)}: {', '.join(places)}" if places else "expected none"
        return TypeError(f"{kind} got {len(values)} options without a name, {at_most}")
    for option in options:
        if option not in known.defaults:
            return unknown_option(kind, option, known.defaults)
    twice = next(option for option in options if option in places[: len(values)])
    return TypeError(f"{kind} got {twice} twice, expected it once")


def _set_once(self: Any, name: str, value: object) -> None:
    if name in vars(self) or name not in self.__dataclass_fields__:
        kind = type(self).__name__
        raise dataclasses.FrozenInstanceError(f"cannot set {name!r} of {kind}, whose objects do not change")
    object.__setattr__(self, name, value)


def _keep(self: Any, name: str) -> None:
    kind = type(self).__name__
    raise dataclasses.FrozenInstanceError(f"cannot delete {name!r} of {kind}, whose objects do not change")


def _values(self: Any) -> tuple[Any, ...]:
    return tuple(getattr(self, name) for name in _options(type(self)).compared)


def _repr(self: Any) -> str:
    shown = (f"{item.name}={getattr(self, item.name)!r}" for item in dataclasses.fields(self) if item.repr)
    return f"{type(self).__qualname__}({', '.join(shown)})"


def _eq(self: Any, other: object) -> Any:
    return _values(self) == _values(other) if type(self) is type(other) else NotImplemented


def _hash(self: Any) -> int:
    return hash(_values(self))


class _Signature:
    """The parameters of a class, made when somebody asks."""

    def __get__(self, instance: Any, owner: type[Any]) -> inspect.Signature:
        if instance is not None:
            raise AttributeError("__signature__")
        return inspect.Signature([_parameter(item) for item in _options(owner).fields])


def _parameter(item: dataclasses.Field[Any]) -> inspect.Parameter:
    kinds = inspect.Parameter
    kind = kinds.KEYWORD_ONLY if item.kw_only else kinds.POSITIONAL_OR_KEYWORD
    default = kinds.empty if item.default is dataclasses.MISSING else item.default
    return kinds(item.name, kind, default=default, annotation=item.type)


SHARED = {
    "__init__": _init,
    "__repr__": _repr,
    "__eq__": _eq,
    "__hash__": _hash,
    "__setattr__": _set_once,
    "__delattr__": _keep,
}

_PLAIN = {"init": False, "repr": False, "eq": False}  # dataclasses without methods of their own

if TYPE_CHECKING:
    from dataclasses import dataclass as description
else:

    # Frozen dataclasses, as other people's schedules may be, inherit from frozen ones alone; `dataclass` in
    # here must not know, as it would write methods.
    _parameters = dataclasses.dataclass(**_PLAIN)(type("", (), {})).__dataclass_params__

    def description(cls):
        """The decorator; an option is set by the call that makes the object or its checks, and not again."""
        _parameters.frozen = False
        try:
            cls = dataclasses.dataclass(**_PLAIN)(cls)
        finally:
            _parameters.frozen = True
        cls.__dataclass_params__ = _parameters
        for name, method in SHARED.items():
            if getattr(cls, name) is getattr(object, name):
                setattr(cls, name, method)
        cls.__signature__ = _Signature()
        return cls
