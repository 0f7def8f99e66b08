"""Health on the row: the circuit of a connection or sub-account."""

from django.db import models


class CircuitMixin(models.Model):
    """Counts failures in a row of the other side; while open, lanes wait and one incident is shown."""

    failures_in_a_row = models.PositiveIntegerField(default=0, editable=False)
    circuit_open_until = models.DateTimeField(null=True, blank=True, editable=False)
    needs_reauth_since = models.DateTimeField(
        "credentials refused since", null=True, blank=True, editable=False
    )
    last_error = models.CharField(max_length=300, blank=True, editable=False)

    class Meta:
        abstract = True
