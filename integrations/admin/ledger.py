"""The ledger: each payment changes the CRM's lifetime value once, with the value before and after."""

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.safestring import SafeString
from unfold.decorators import display

from integrations.admin import labels
from integrations.admin.events import SECRETS
from integrations.admin.filters import ConnectionFilter, EmrFilter, PracticeFilter, choice_filter
from integrations.admin.keyset import KeysetMixin
from integrations.models import LedgerRow, LedgerState
from integrations.sync.settle import doubted_write, settle
from integrations.sync.standstill import Busy
from integrations.templatetags.human import day, money
from tenants.roles import Right
from tenants.scoped_admin import PageAdmin, UserError, object_button


@admin.register(LedgerRow)
class LedgerAdmin(KeysetMixin, PageAdmin):
    """All payments, newest first."""

    page_template = "axconnect/ledger_row.html"
    list_display = ("external_id", "state_label", "practice", "connection", "paid", "amount_words", "change")
    list_filter = (choice_filter("state", "state", LedgerState), PracticeFilter, ConnectionFilter, EmrFilter)
    search_fields = ("=external_id",)
    search_help_text = "Payment id in the EMR"
    actions_detail = ("is_there", "write_again")
    empty_words = "No payments yet."
    empty_next = "A row appears with the first paid invoice, bill or payment."

    def get_queryset(self, request: HttpRequest) -> QuerySet[LedgerRow]:
        rows: QuerySet[LedgerRow] = super().get_queryset(request)
        joined = rows.select_related("practice", "connection__practice", "sub_account__practice")
        return joined.defer(*SECRETS)

    @display(
        description="State",
        label={dict(LedgerState.choices)[state]: colour for state, colour in labels.LEDGER.items()},
    )
    def state_label(self, row: LedgerRow) -> str:
        return row.get_state_display()

    def has_settle_permission(self, request: HttpRequest, row: Any = None) -> bool:
        """Only a row that needs attention asks something."""
        found = self.row_or_id(request, row)
        if not self.allowed(request, Right.OPERATE, found):
            return False
        return found is None or found.state == LedgerState.NEEDS_ATTENTION

    @object_button(
        "It is in the CRM",
        right="settle",
        icon="check",
        ask="You compared with the contact in the CRM, and its lifetime value has this amount in it. The row counts as "
        "written; nothing is sent.",
    )
    def is_there(self, request: HttpRequest, row: LedgerRow, form: Any) -> str:
        """A person saw the amount in the CRM."""
        return self._settle(request, row, is_there=True)

    @object_button(
        "It is not: write it again",
        right="settle",
        icon="refresh",
        ask="You compared with the contact in the CRM, and this amount is missing in its lifetime value. It is added "
        "to what stands there at that moment.",
    )
    def write_again(self, request: HttpRequest, row: LedgerRow, form: Any) -> str:
        """A person saw that the amount is missing in the CRM."""
        return self._settle(request, row, is_there=False)

    def _settle(self, request: HttpRequest, row: LedgerRow, *, is_there: bool) -> str:
        effect = doubted_write(row)
        try:
            if effect is None or not settle(effect, is_there=is_there):
                raise UserError("This was settled in the meantime.")
        except Busy as error:
            raise UserError(str(error)) from None
        self.log_change(request, row, labels.SETTLED[is_there])
        return labels.SETTLED_WORDS[is_there]

    @display(description="Paid on")
    def paid(self, row: LedgerRow) -> str | SafeString:
        return day(row.paid_on, row.practice)

    @display(description="Amount")
    def amount_words(self, row: LedgerRow) -> str:
        return money(row.amount, row.practice)

    @display(description="Lifetime value")
    def change(self, row: LedgerRow) -> str:
        if row.before is None or row.after is None:
            return "–"
        return f"{money(row.before, row.practice)} → {money(row.after, row.practice)}"

    def page_context(self, request: HttpRequest, row: LedgerRow) -> dict[str, Any]:
        return {"line": row, "practice": row.practice, "colour": labels.LEDGER[row.state]}
