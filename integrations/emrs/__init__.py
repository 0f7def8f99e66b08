"""One folder per EMR. Being a folder with a ``manifest.py`` is enough to be found: nothing else lists them."""

import importlib
import importlib.util
import pkgutil
from functools import lru_cache
from types import ModuleType
from typing import Any

from integrations.contract.errors import ConfigError
from integrations.contract.manifest import Manifest


class Emr:
    """One EMR folder behind one door: its manifest, and its parts loaded when first used."""

    def __init__(self, slug: str) -> None:
        self.slug = slug
        self.manifest: Manifest = self.part("manifest").MANIFEST

    def part(self, name: str) -> ModuleType:
        """The folder's module of that name. An import error inside it is not hidden."""
        return importlib.import_module(f"{__name__}.{self.slug}.{name}")

    def has_part(self, name: str) -> bool:
        """Whether the folder has a module of that name."""
        return importlib.util.find_spec(f"{__name__}.{self.slug}.{name}") is not None

    @property
    def receive(self) -> Any:
        return self.part("webhook").receive

    @property
    def understand(self) -> Any:
        return self.part("mapping").understand


@lru_cache(maxsize=1)
def registry() -> dict[str, Emr]:
    """Slug → EMR for every folder found, in the order of their slugs."""
    slugs = sorted(module.name for module in pkgutil.iter_modules(__path__) if module.ispkg)
    return {slug: Emr(slug) for slug in slugs if importlib.util.find_spec(f"{__name__}.{slug}.manifest")}


def emr_for(slug: str) -> Emr:
    """The EMR of that slug. Raises ConfigError naming the known ones."""
    try:
        return registry()[slug]
    except KeyError:
        known = ", ".join(registry())
        raise ConfigError(f'There is no EMR "{slug}". Known: {known}.') from None
