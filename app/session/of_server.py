"""What a tab is given by the server: there once it is attached, never None."""

from typing import Any, overload


class OfServer[T]:
    """What `attach` gives a tab. A tab without a server has none, and says so where it is asked."""

    def __set_name__(self, owner: type, name: str) -> None:
        self._name = f"_{name}_of_server"

    @overload
    def __get__(self, tab: None, kind: type) -> "OfServer[T]": ...
    @overload
    def __get__(self, tab: object, kind: type) -> T: ...
    def __get__(self, tab: object | None, kind: type) -> Any:
        if tab is None:
            return self
        if self._name not in tab.__dict__:
            raise AttributeError("This tab is not attached to a server.")
        return tab.__dict__[self._name]

    def __set__(self, tab: object, given: T) -> None:
        tab.__dict__[self._name] = given
