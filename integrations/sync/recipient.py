"""Where one event's effects go: the sub-account, the CRM's client for it, and the contact as far as it is known."""

from collections.abc import Mapping

from integrations.contract.errors import NotFoundError, TransientError
from integrations.contract.records import Person
from integrations.crm.client import CrmClient
from integrations.crm.fields import field_key
from integrations.models import Contact, ContactLink, InboundEvent, Opportunity
from integrations.models.subaccounts import PipelineKind
from integrations.sync import hot, identity, known_fields, lanes
from integrations.sync.crm_access import client_for
from integrations.sync.own_kinds import LEAVE_CONTACT
from integrations.sync.plan import lease_contact
from integrations.sync.profile import SubAccountProfile
from integrations.sync.work import Work


class HeldForIdentity(Exception):
    """The CRM says that a value of this new contact is somebody else's: a person must decide."""


class ContactGone(Exception):
    """The contact was deleted or merged in the CRM: the event is matched and planned again."""


class Recipient:
    """The contact in its sub-account. ``contact`` is None until it is found or made; ``contact_is_new``: made
    by this event."""

    def __init__(self, work: Work, account: SubAccountProfile, person: Person) -> None:
        self.work = work
        self.account = account
        self.person = person
        self.contact: Contact | None = work.event.contact
        self.contact_is_new = False
        self._client: CrmClient = client_for(account, work.claims_as)
        # The event's own contact was leased when the event was planned or taken up again.
        self._leased = {work.event.contact_id}
        self._called = False  # whether this effect has called the CRM since its mark was set

    @property
    def client(self) -> CrmClient:
        """The CRM, for one call more. Raises LeaseLost when an effect's earlier call outlasted the lease."""
        if self._called:
            self.check_lease()
        self._called = True
        return self._client

    def check_lease(self) -> None:
        """Raises LeaseLost when another worker has the lane now."""
        if not hot.holds_lane(self.work.lane.id, self.work.lane.owner):
            raise lanes.LeaseLost

    def begin_effect(self) -> None:
        """The mark of the next effect was set under the lease: its first call need not look again."""
        self._called = False

    # The contact

    def known_contact(self) -> Contact:
        """The contact that is written to. Raises TransientError while there is none, and ContactBusy."""
        if self.contact is None:
            self.adopt_linked()
        if self.contact is None:
            raise TransientError("The contact of this event is not known yet.")
        self.lease()
        return self.contact

    def lease(self) -> None:
        """Have the contact to ourselves, also one that was found or made on the way. Raises ContactBusy."""
        if self.contact is not None and self.contact.pk not in self._leased:
            lease_contact(self.contact, self.work)
            self._leased.add(self.contact.pk)

    def adopt_linked(self) -> None:
        """A contact that another event of this patient linked meanwhile."""
        event = self.work.event
        rows = ContactLink.objects.across_practices().filter(
            patient_id=event.patient_id, sub_account_id=self.account.id
        )
        link = rows.select_related("contact").first()
        if link is not None:
            self.use(link.contact)

    def use(self, contact: Contact) -> None:
        """Write to this contact from now on."""
        self.contact = self.work.event.contact = contact
        self.work.opportunities = None
        InboundEvent.objects.across_practices().filter(pk=self.work.event.pk).update(contact=contact)

    def match_again(self) -> None:
        """Look for the person in the CRM once more. Raises HeldForIdentity when a person must decide."""
        reachable = identity.Reachable.of(self.person, self.work.profile.country)
        who = identity.find(self.work, self.person, reachable, self.account)
        if who.held:
            raise HeldForIdentity(who.words)
        if who.contact is not None:
            self.use(who.contact)

    def contact_is_gone(self) -> None:
        """Deleted or merged in the CRM: match again, never recreate blindly.

        Raises ContactGone where nobody else can stand in for it."""
        assert self.contact is not None
        identity.unlink(self.contact)
        if self.work.event.kind == LEAVE_CONTACT:
            raise ContactGone  # what is taken off it is taken off nobody else
        self.contact = None
        self.work.tell("contact", "The contact was deleted or merged in the CRM: matched again.")
        self.match_again()

    def raise_if_gone(self) -> None:
        """Raises ContactGone when it is the contact itself that the CRM does not find."""
        if self.contact is None:
            return
        try:
            self.client.get_contact(self.contact.crm_id)
        except NotFoundError:
            identity.unlink(self.contact)
            self.work.event.contact = None
            raise ContactGone from None

    # What else stands in the sub-account

    def opportunities(self) -> dict[PipelineKind, Opportunity]:
        """The contact's opportunities by pipeline, read once."""
        if self.work.opportunities is None:
            rows = Opportunity.objects.across_practices().filter(contact=self.contact) if self.contact else ()
            self.work.opportunities = {PipelineKind(row.pipeline): row for row in rows}
        return self.work.opportunities

    def refresh_fields(self, *, force: bool = False) -> None:
        """Read the sub-account's list of custom fields again."""
        self.account = known_fields.refreshed(self.work.profile.id, self.account, self.client, force=force)

    def field_id(self, name: str) -> str:
        """CRM id of a custom field, "" where the sub-account lacks it."""
        fields: Mapping[str, tuple[str, str]] = self.account.fields
        return fields.get(field_key(name), ("", ""))[0] if name else ""
