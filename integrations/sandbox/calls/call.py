"""What a call is given, and the checks that every call shares."""

from collections.abc import Callable
from dataclasses import dataclass, field

from ..accounts import SubAccount
from ..records import Record
from ..routing import Route
from ..state import State
from ..wire import Headers, not_found, plain_error, unprocessable

Reply = tuple[int, Record]
ACCEPTED: Reply = (200, {"succeded": True})


@dataclass(slots=True)
class Call:
    """One admitted request: the sub-account is the one its token belongs to."""

    state: State
    account: SubAccount
    params: tuple[str, ...] = ()
    query: dict[str, str] = field(default_factory=dict)
    body: Record = field(default_factory=dict)
    contact_id: str | None = None
    headers: Headers = field(default_factory=list)

    def own(self, location_id: str | None) -> SubAccount:
        """Return the sub-account a call names. Raise ApiError 422 when it names none, 403 for another's."""
        if not location_id:
            raise unprocessable(["locationId should not be empty"])
        if location_id != self.account.id:
            raise plain_error(403, "The token does not have access to this location.")
        return self.account

    def contact(self) -> Record:
        """Return the contact of the path. Raise ApiError 404, or 403 for another sub-account's."""
        self.contact_id = self.params[0]
        found = self.state.contacts.get(self.contact_id)
        if found is None:
            raise not_found("Contact not found")
        self.own(found["locationId"])
        return found

    def opportunity(self) -> Record:
        """Return the opportunity of the path. Raise ApiError 404, or 403 for another sub-account's."""
        found = self.state.opportunities.get(self.params[0])
        if found is None:
            raise not_found("Opportunity not found")
        self.own(found["locationId"])
        self.contact_id = found["contactId"]
        return found


CrmHandler = Callable[[Call], Reply]
CrmRoute = Route[CrmHandler]


def whole(text: str, name: str, lowest: int, highest: int) -> int:
    """Read a whole number. Raise ApiError 422 when it is none or out of bounds."""
    number = int(text) if text.isascii() and text.isdigit() else -1
    if number < lowest:
        raise unprocessable([f"{name} must not be less than {lowest}"])
    if number > highest:
        raise unprocessable([f"{name} must not be greater than {highest}"])
    return number
