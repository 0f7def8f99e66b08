"""Where the staff application shows a thing. "" where it has no page for it."""

from typing import Any
from urllib.parse import urlencode

from django.contrib import admin
from django.db.models import Model
from django.urls import reverse


def page_of(model: type[Model], pk: Any) -> str:
    """The page of one row, given by its id."""
    return _address(model, "change", pk) if pk else ""


def list_of(model: type[Model], **filters: Any) -> str:
    """The list of a model's rows, narrowed by look-ups on its own columns."""
    address = _address(model, "changelist")
    return f"{address}?{urlencode(filters)}" if address and filters else address


def _address(model: type[Model], page: str, *arguments: Any) -> str:
    if not admin.site.is_registered(model):
        return ""
    return reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_{page}", args=arguments)
