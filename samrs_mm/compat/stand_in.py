"""Modules that can be imported, but hold nothing, in place of ones that can't be."""

import types
from collections.abc import Callable, Mapping
from importlib.machinery import ModuleSpec


class StandIn:
    """A loader of modules whose every name is a function, which fails when it is called.

    Args:
        failure: Returns the error of a call, given the name that was called.
        answers: What calls of some names return instead.
        functions: What is called in place of others.
    """

    def __init__(
        self,
        failure: Callable[[str], Exception],
        answers: Mapping[str, object] | None = None,
        functions: Mapping[str, Callable[..., object]] | None = None,
    ):
        self._failure, self._answers = failure, answers or {}
        self._functions = functions or {}

    def spec(self, name: str) -> ModuleSpec:
        """Return what a finder answers for the module of that name."""
        return ModuleSpec(name, self, origin=__file__)  # type: ignore[arg-type]

    def create_module(self, spec: ModuleSpec) -> None:
        """Leave the module to Python."""

    def exec_module(self, module: types.ModuleType) -> None:
        """Fill the module."""
        module.__getattr__ = self._look_up  # type: ignore[method-assign]

    def _look_up(self, name: str) -> Callable[..., object]:
        if name.startswith('__'):
            raise AttributeError(name)
        if name in self._functions:
            return self._functions[name]

        def answer(*_: object, **__: object) -> object:
            if name in self._answers:
                return self._answers[name]
            raise self._failure(name)

        return answer
