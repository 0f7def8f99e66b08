"""Where AestheticsPro's bodies hold each value. The vendor publishes no payload, so every value has several
usual places, and a connection may add its own."""

from itertools import product

from integrations.contract.manifest import PayloadField

_CLIENT_ROOTS = ("data.client.", "client.")
_FLAT_ROOTS = ("data.", "")
_APPOINTMENT_ROOTS = ("data.", "", "data.appointment.", "appointment.")
_INVOICE_ROOTS = ("data.", "", "data.invoice.", "invoice.")


def _under(roots: tuple[str, ...], *names: str) -> tuple[str, ...]:
    return tuple(root + name for root, name in product(roots, names))


_CLIENT_NAMES: dict[str, tuple[str, ...]] = {
    "first_name": ("first_name",),
    "last_name": ("last_name",),
    "email": ("email", "email_address"),
    "mobile_phone": ("mobile_phone", "cell_phone", "mobile"),
    "home_phone": ("home_phone", "phone"),
    "birthdate": ("birthdate", "birth_date", "date_of_birth", "dob"),
    "gender": ("gender", "sex"),
    "address1": ("address1", "address", "street"),
    "city": ("city",),
    "state": ("state",),
    "postal_code": ("postal_code", "zip_code", "zip"),
}
# A body with a client object holds the person there and nowhere else: "state" beside it means something else.
CLIENT_NESTED = {field: _under(_CLIENT_ROOTS, *names) for field, names in _CLIENT_NAMES.items()}
CLIENT_FLAT = {field: _under(_FLAT_ROOTS, *names) for field, names in _CLIENT_NAMES.items()}

FIELDS: dict[str, tuple[str, ...]] = {
    "event": ("event", "event_type", "event_name", "event.name", "event.type"),
    "event_id": ("event_id", "event.id"),
    "timestamp": ("timestamp", "event.timestamp", "occurred_at"),
    "location_id": ("location.id", "location_id", "data.location.id", "data.location_id"),
    "location_name": (
        "location.name",
        "location_name",
        "location",
        "data.location.name",
        "data.location_name",
        "data.location",
    ),
    "client_id": (
        *_under(_CLIENT_ROOTS, "client_id"),
        *_under(_FLAT_ROOTS, "client_id"),
        *_under(_CLIENT_ROOTS, "id"),
    ),
    **{field: (*CLIENT_NESTED[field], *CLIENT_FLAT[field]) for field in _CLIENT_NAMES},
    "appointment_id": (
        *_under(_APPOINTMENT_ROOTS, "appointment_id"),
        "data.appointment.id",
        "appointment.id",
    ),
    "status": ("data.status", "status", "data.appointment.status", "appointment.status"),
    "date_time": _under(_APPOINTMENT_ROOTS, "date_time", "appointment_date", "start_time"),
    "services": _under(_APPOINTMENT_ROOTS, "services"),
    "provider_name": _under(_APPOINTMENT_ROOTS, "provider.name", "provider_name", "provider"),
    "invoice_id": (*_under(_INVOICE_ROOTS, "invoice_id"), "data.invoice.id", "invoice.id"),
    "invoice_number": _under(_INVOICE_ROOTS, "invoice_number"),
    "paid_amount": _under(_INVOICE_ROOTS, "paid_amount", "amount_paid"),
    "total": _under(_INVOICE_ROOTS, "total", "total_amount"),
    "paid_date": _under(_INVOICE_ROOTS, "paid_date", "payment_date", "invoice_date"),
    "service": _under(_INVOICE_ROOTS, "service", "service_name"),
    "items": _under(_INVOICE_ROOTS, "items", "line_items"),
    # The invoice's own word first, then the appointment inside it.
    "visit_date": (
        *_under(_INVOICE_ROOTS, "visit_date", "service_date", "appointment_date"),
        *_under(("data.appointment.", "appointment."), "date_time", "appointment_date", "start_time"),
    ),
}

_LABELS = {
    "event": "Event type",
    "event_id": "Event id",
    "timestamp": "Time of the event",
    "location_id": "Location id",
    "location_name": "Location name",
    "client_id": "Client id",
    "email": "E-mail address",
    "birthdate": "Date of birth",
    "address1": "Street address",
    "appointment_id": "Appointment id",
    "status": "Appointment status",
    "date_time": "Appointment date and time",
    "provider_name": "Provider name",
    "invoice_id": "Invoice id",
    "paid_date": "Date of payment",
    "total": "Invoice total",
    "service": "Service on the invoice",
    "items": "Invoice items",
    "visit_date": "Date of the visit on the invoice",
}

PAYLOAD_FIELDS = tuple(
    PayloadField(name, _LABELS.get(name, name.replace("_", " ").capitalize()), paths)
    for name, paths in FIELDS.items()
)
