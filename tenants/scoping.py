"""The one manager through which practice-owned rows are read.

Code states its scope: ``for_practice``, ``for_user`` or, spelled out, ``across_practices``. A test reads
the sources and refuses ``Model.objects.filter(...)`` and its like on any model that uses this manager.
"""

from typing import TYPE_CHECKING, Any, Self, TypeVar

from django.db import models

if TYPE_CHECKING:
    from tenants.models import Practice, User

M = TypeVar("M", bound=models.Model)


class ScopedQuerySet(models.QuerySet[M]):
    """A queryset that knows how its rows reach their practice (``practice_path`` on the model)."""

    def _path(self) -> str:
        return getattr(self.model, "practice_path", "practice")

    def for_practice(self, practice: "Practice | int") -> Self:
        """Rows of one practice, given as a row or its id."""
        return self.filter(**{self._path(): practice})

    def for_user(self, user: "User | Any") -> Self:
        """Rows of the practices in which this person works; nothing for a stranger."""
        if not getattr(user, "is_authenticated", False):
            return self.none()
        if user.sees_every_practice:
            return self.all()
        return self.filter(**{f"{self._path()}__in": user.practice_ids()})


class ScopedManager(models.Manager.from_queryset(ScopedQuerySet)):  # type: ignore[misc]
    """Entry point of every practice-owned model."""

    def across_practices(self) -> Any:
        """Every practice's rows: for the engine and for company staff, never for a practice's own people."""
        return self.get_queryset()
