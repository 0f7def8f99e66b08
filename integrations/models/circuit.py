"""Health on the row: the circuit of a connection or sub-account."""

from django.db import models

from tenants.written_apart import WrittenApart

CIRCUIT = frozenset({"failures_in_a_row", "circuit_open_until", "needs_reauth_since", "last_error"})


class CircuitMixin(WrittenApart):
    """Counts failures in a row of the other side; while open, lanes wait and one incident is shown."""

    written_apart = CIRCUIT

    failures_in_a_row = models.PositiveIntegerField(default=0, editable=False)
    circuit_open_until = models.DateTimeField(null=True, blank=True, editable=False)
    needs_reauth_since = models.DateTimeField(
        "credentials refused since", null=True, blank=True, editable=False
    )
    last_error = models.CharField(max_length=300, blank=True, editable=False)

    class Meta:
        abstract = True
