"""What every page of the staff application has in common: it shows and changes only what the person's
roles allow, in the practices where they hold them."""

from collections.abc import Callable
from functools import wraps
from typing import Any, ClassVar

from django.contrib import messages
from django.contrib.admin import ShowFacets
from django.contrib.admin.utils import unquote
from django.core.exceptions import PermissionDenied
from django.db import models
from django.forms import Field
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse
from unfold.admin import ModelAdmin, TabularInline
from unfold.decorators import action
from unfold.enums import ActionVariant
from unfold.forms import BaseDialogForm

from tenants.history import changes_of
from tenants.models import Practice, User
from tenants.roles import Right, may, people_for, practice_ids_with
from tenants.scoping import ScopedManager, ScopedQuerySet

HIDDEN_COLUMNS = frozenset(
    {"token", "webhook_key", "webhook_secret", "credentials", "payload", "password", "demographics", "body"}
)


def practice_id_of(row: models.Model) -> int | None:
    """The practice that a row belongs to, along its model's ``practice_path``; None before it has one."""
    if not isinstance(type(row)._default_manager, ScopedManager):
        return None
    value: Any = row
    for step in getattr(type(row), "practice_path", "practice").split("__"):
        if value is None:
            return None
        value = value.pk if step == "pk" else getattr(value, "practice_id" if step == "practice" else step)
    return value


def rows_with(user: Any, model: type[models.Model], right: Right) -> Any:
    """The rows of a practice-owned model in the practices where a person has ``right``."""
    rows: ScopedQuerySet[Any] = model._default_manager.for_user(user)  # type: ignore[attr-defined]
    practice_ids = practice_ids_with(user, right)
    if practice_ids is None:
        return rows
    return rows.filter(**{f"{getattr(model, 'practice_path', 'practice')}__in": practice_ids})


class ScopeMixin:
    """Rows, permissions and choices by practice and role. ``None`` as a right: nobody may."""

    change_right: ClassVar[Right | None] = Right.CONFIGURE
    add_right: ClassVar[Right | None] = Right.CONFIGURE
    delete_right: ClassVar[Right | None] = Right.CONFIGURE
    model: type[models.Model]

    def get_queryset(self, request: HttpRequest) -> Any:
        rows = rows_with(request.user, self.model, Right.SEE)
        ordering = self.get_ordering(request)  # type: ignore[attr-defined]
        return rows.order_by(*ordering) if ordering else rows

    def allowed(self, request: HttpRequest, right: Right | None, row: Any = None) -> bool:
        """Whether the person may use ``right`` on a row (or its id), or without one in any practice."""
        user: Any = request.user
        if right is None or not user.is_active or not user.is_staff:
            return False
        if row is not None and not isinstance(row, models.Model):
            row = self.get_object(request, str(row))  # type: ignore[attr-defined]
            if row is None:
                return False
        return may(user, right, practice_id_of(row) if row is not None else None)

    def row_or_id(self, request: HttpRequest, row: Any) -> Any:
        """The row of an id; the id again where the person may see no such row, to which ``allowed`` says no.

        None only where none was asked for: a row that is not there must never be taken for "in any practice".
        """
        if row is None or isinstance(row, models.Model):
            return row
        found = self.get_object(request, str(row))  # type: ignore[attr-defined]
        return row if found is None else found

    def has_module_permission(self, request: HttpRequest) -> bool:
        return self.allowed(request, Right.SEE)

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return self.allowed(request, Right.SEE, obj)

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return self.allowed(request, self.change_right, obj)

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return self.allowed(request, self.add_right, obj)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return self.allowed(request, self.delete_right, obj)

    def formfield_for_foreignkey(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Field | None:
        """Choices come from the page's practice, or from those in which the person may configure."""
        related = db_field.remote_field.model
        if "queryset" not in kwargs and isinstance(related._default_manager, ScopedManager):
            practice_id = getattr(request, "ax_practice_id", None)
            choices = rows_with(request.user, related, self.change_right or Right.SEE)
            kwargs["queryset"] = choices.for_practice(practice_id) if practice_id else choices
        if "queryset" not in kwargs and related is User:
            kwargs["queryset"] = people_for(request.user)
        return super().formfield_for_foreignkey(db_field, request, **kwargs)  # type: ignore[misc]


class ScopedAdmin(ScopeMixin, ModelAdmin):
    """Base of all our pages."""

    list_per_page = 50
    show_full_result_count = False
    list_filter_submit = True
    # Counting every choice of every filter takes minutes at a million rows.
    show_facets = ShowFacets.NEVER
    warn_unsaved_form = True
    empty_words = "Nothing here yet."
    empty_next = ""

    def get_object(self, request: HttpRequest, object_id: str, from_field: str | None = None) -> Any:
        found = super().get_object(request, object_id, from_field)
        if found is not None:
            request.ax_practice_id = practice_id_of(found)  # type: ignore[attr-defined]
        return found

    def changeform_view(
        self,
        request: HttpRequest,
        object_id: str | None = None,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        context = {"show_save_and_add_another": False, **(extra_context or {})}
        return super().changeform_view(request, object_id, form_url, context)

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        """Checked once more for this very row: lists that are edited in place ask only for any practice."""
        permitted = self.has_change_permission if change else self.has_add_permission
        if not permitted(request, obj):
            raise PermissionDenied
        super().save_model(request, obj, form, change)

    def lookup_allowed(self, lookup: str, value: str, request: HttpRequest | None = None) -> bool:
        """Nobody tries out secrets letter by letter in the address of a list."""
        return lookup.split("__")[0] not in HIDDEN_COLUMNS and super().lookup_allowed(lookup, value, request)

    def get_actions(self, request: HttpRequest) -> dict[str, Any]:
        """Deleting many rows at once is nowhere the right thing to do here."""
        return {
            name: found for name, found in super().get_actions(request).items() if name != "delete_selected"
        }

    def history_view(
        self, request: HttpRequest, object_id: str, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Who changed what, when; from the row's recorded versions where it has them."""
        if not hasattr(self.model, "history"):
            return super().history_view(request, object_id, extra_context)
        row = self.get_object(request, unquote(object_id))
        if row is None:
            raise Http404("There is no such row.")
        if not self.has_view_permission(request, row):
            raise PermissionDenied
        practice = Practice.objects.across_practices().filter(pk=practice_id_of(row)).first()
        context = {
            **self.admin_site.each_context(request),
            "title": "History",
            "opts": self.opts,
            "original": row,
            "inline_admin_formsets": [],
            "changes": changes_of(row, practice),
            "practice": practice,
        }
        return TemplateResponse(request, "axconnect/history.html", context)

    def url_of(self, row: models.Model) -> str:
        """The page of a row."""
        return reverse(f"admin:{self.opts.app_label}_{self.opts.model_name}_change", args=[row.pk])


class ReadOnlyMixin:
    """Shown, never edited."""

    change_right: ClassVar[Right | None] = None
    add_right: ClassVar[Right | None] = None
    delete_right: ClassVar[Right | None] = None


class ScopedInline(ScopeMixin, TabularInline):
    """Rows of a practice edited on another row's page. ``obj`` is that other row."""

    extra = 0
    tab = True

    def get_formset(self, request: HttpRequest, obj: Any = None, **kwargs: Any) -> Any:
        if obj is not None:
            request.ax_practice_id = practice_id_of(obj)  # type: ignore[attr-defined]
        return super().get_formset(request, obj, **kwargs)


class PageAdmin(ReadOnlyMixin, ScopedAdmin):
    """Rows with a page of their own in place of a form. ``page_context`` says what it shows."""

    page_template: ClassVar[str]

    def page_context(self, request: HttpRequest, row: Any) -> dict[str, Any]:
        """What the template needs beside the row."""
        return {}

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        row = self.get_object(request, unquote(object_id))
        if row is None:
            return self._get_obj_does_not_exist_redirect(request, self.opts, object_id)
        if request.method not in ("GET", "HEAD") or not self.has_view_permission(request, row):
            raise PermissionDenied
        return self.render_page(request, row)

    def render_page(self, request: HttpRequest, row: Any) -> HttpResponse:
        """The page of a row."""
        buttons = self._get_actions_navigation(
            self.actions_detail, self.get_actions_detail(request, row.pk), str(row.pk)
        )
        context = {
            **self.admin_site.each_context(request),
            "title": str(row)[:1].upper() + str(row)[1:],
            "opts": self.opts,
            "original": row,
            "row": row,
            "inline_admin_formsets": [],
            "actions_detail": buttons,
            **self.page_context(request, row),
        }
        request.current_app = self.admin_site.name
        return TemplateResponse(request, self.page_template, context)


class UserError(Exception):
    """Something that cannot be done now. The text is for the person who pressed the button."""


Method = Callable[[Any, HttpRequest, Any, BaseDialogForm], str]


def object_button(
    label: str,
    *,
    right: str,
    ask: str,
    icon: str,
    submit: str = "",
    form: type[BaseDialogForm] = BaseDialogForm,
    variant: ActionVariant = ActionVariant.DEFAULT,
) -> Callable[[Method], Any]:
    """A button on a row's page that asks in a dialog and acts on POST only.

    ``right`` names a ``has_<right>_permission`` method of the admin class. The decorated method gets the row
    and the valid form, and returns the sentence to show; a UserError's text is shown as an error.
    """

    def decorate(method: Method) -> Any:
        @wraps(method)
        def act(
            admin: ScopedAdmin, request: HttpRequest, filled: BaseDialogForm, object_id: str
        ) -> HttpResponse:
            row = _row_or_404(admin, request, object_id)
            try:
                messages.success(request, method(admin, request, row, filled))
            except UserError as error:
                messages.error(request, str(error))
            return HttpResponseRedirect(admin.url_of(row))

        dialog = {"title": label, "description": ask, "form_class": form, "form_submit_text": submit or label}
        asked = action(
            description=label,
            permissions=[right],
            icon=icon,
            variant=variant,
            dialog=dialog,  # type: ignore[arg-type]
        )(act)

        @wraps(asked)
        def guarded(admin: ScopedAdmin, request: HttpRequest, object_id: str) -> HttpResponse:
            row = _row_or_404(admin, request, object_id)
            in_dialog = bool(request.headers.get("HX-Request"))
            if request.method == "GET" and not in_dialog:
                return HttpResponseRedirect(admin.url_of(row))
            return _for_dialog(asked(admin, request, object_id=object_id), in_dialog)

        return guarded

    return decorate


def _row_or_404(admin: ScopedAdmin, request: HttpRequest, object_id: str) -> Any:
    row = admin.get_object(request, unquote(str(object_id)))
    if row is None:
        raise Http404("There is no such row.")
    return row


def _for_dialog(response: HttpResponse, in_dialog: bool) -> HttpResponse:
    """A redirect that the browser follows as a whole page, where the request came out of a dialog."""
    if in_dialog and isinstance(response, HttpResponseRedirect):
        return HttpResponse(headers={"HX-Redirect": response.url})
    return response


def practice_choices(user: Any, right: Right = Right.SEE) -> list[tuple[str, str]]:
    """(id, name) of the practices in which a person has ``right``, for filters."""
    return [(str(pk), name) for pk, name in rows_with(user, Practice, right).values_list("pk", "name")]
