"""A routing table: path templates as a tree of segments, looked up without regular expressions."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Generic, TypeVar

Handler = TypeVar("Handler", bound=Callable[..., object])


@dataclass(frozen=True)
class Route(Generic[Handler]):
    """One call: name (`PUT /contacts/{id}`), handler, the scope it needs, the query names it takes."""

    name: str
    handler: Handler
    scope: str = ""
    query: frozenset[str] | None = None


@dataclass(slots=True)
class _Node(Generic[Handler]):
    literals: dict[str, "_Node[Handler]"] = field(default_factory=dict)
    variable: "_Node[Handler] | None" = None
    routes: dict[str, Route[Handler]] = field(default_factory=dict)


class Router(Generic[Handler]):
    """Finds the route of a method and path. A slash at the end makes no difference."""

    def __init__(self, routes: list[Route[Handler]]) -> None:
        self.names = [route.name for route in routes]
        self._root: _Node[Handler] = _Node()
        for route in routes:
            self._add(route)

    def _add(self, route: Route[Handler]) -> None:
        method, template = route.name.split(" ", 1)
        node = self._root
        for segment in template.strip("/").split("/"):
            if segment.startswith("{"):
                node.variable = node.variable or _Node()
                node = node.variable
            else:
                node = node.literals.setdefault(segment, _Node())
        node.routes[method] = route

    def find(self, method: str, path: str) -> tuple[Route[Handler], tuple[str, ...]] | None:
        """Return the route and the values of its path variables, or None."""
        node = self._root
        values: list[str] = []
        for segment in path.strip("/").split("/"):
            literal = node.literals.get(segment)
            if literal is not None:
                node = literal
            elif node.variable is not None and segment:
                node = node.variable
                values.append(segment)
            else:
                return None
        route = node.routes.get(method)
        return (route, tuple(values)) if route else None
