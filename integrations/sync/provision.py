"""The custom fields of a sub-account: made by a worker, one after the other, each ticked off once the CRM has said yes.

Every look begins with the CRM's own list, and a field is written down as asked for before it is. So whoever goes on
after a worker that died makes only what is missing, and knows which of the fields that are there were made by the run.
"""

import logging
import secrets
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from django.db import IntegrityError, InterfaceError, OperationalError, transaction
from django.db.models import Q, QuerySet
from django.utils import timezone
from rq.timeouts import BaseTimeoutException

from integrations.contract.errors import ContractError, RateLimited, TransientError
from integrations.contract.manifest import Manifest
from integrations.crm.client import CrmClient
from integrations.crm.fields import field_key
from integrations.crm.provisioning import FieldPlan, FieldReport, FieldState, create_field, plan_fields
from integrations.emrs import registry
from integrations.models import Connection, ProvisionRun, SubAccount
from integrations.sync import bell
from integrations.sync.crm_access import client_for
from integrations.sync.crm_mirror import fetch_listing, store_listing
from tenants.models import Location

if TYPE_CHECKING:
    from tenants.models import User

logger = logging.getLogger(__name__)

Json = dict[str, Any]
# Longer than any one request to the CRM may take.
LEASE = timedelta(seconds=60)
# Upkeep has other things to do, and its job an end.
SLICE_SECONDS = 60.0
# A field whose making is in doubt shows in the CRM's list by then.
RETRY, LONGEST_RETRY = timedelta(seconds=15), timedelta(minutes=5)
ASKED = "asked"
TO_COME = (FieldState.MISSING.value, ASKED)


class LeaseLost(Exception):
    """Somebody else carries this run out by now."""


@dataclass(frozen=True, slots=True)
class Tick:
    """One needed field of a run. ``state``: one of FieldState, or "asked" while the CRM's answer is not known;
    ``words`` tell a person what to do, "" when nothing."""

    name: str
    state: str
    words: str = ""


@dataclass(frozen=True, slots=True)
class FieldsProgress:
    """How far a run is: names by what became of them. ``trouble``: what a person should read of the fields."""

    made: tuple[str, ...] = ()
    existed: tuple[str, ...] = ()
    wrong: tuple[str, ...] = ()
    refused: tuple[str, ...] = ()
    to_come: tuple[str, ...] = ()
    trouble: tuple[str, ...] = ()
    is_finished: bool = False

    @property
    def total(self) -> int:
        """Fields in all; 0 while the CRM's list was not read."""
        return self.over + len(self.to_come)

    @property
    def over(self) -> int:
        """Fields with which nothing happens any more."""
        return len(self.made) + len(self.existed) + len(self.wrong) + len(self.refused)

    @property
    def percent(self) -> int:
        """How much is over, 0 to 100; 100 only when all is."""
        if self.is_finished:
            return 100
        return min(99, 100 * self.over // self.total) if self.total else 0


# --- what is needed ---------------------------------------------------------------------------------------------


def manifests_of(account: SubAccount) -> list[Manifest]:
    """The manifests of the practice's EMRs, each once."""
    slugs = Connection.objects.for_practice(account.practice_id).values_list("emr", flat=True)
    return [registry()[slug].manifest for slug in dict.fromkeys(slugs) if slug in registry()]


def plans_of(account: SubAccount, listed: Sequence[Json]) -> list[tuple[Manifest, FieldPlan]]:
    """What each EMR of the practice needs, beside what the CRM lists."""
    clinics = Location.objects.for_practice(account.practice_id).count()
    kind = {"dual_pipeline": account.practice.has_surgery, "several_locations": clinics > 1}
    return [(manifest, plan_fields(manifest, listed, **kind)) for manifest in manifests_of(account)]


# --- asking -----------------------------------------------------------------------------------------------------


def begin(account: SubAccount, user: "User | None") -> ProvisionRun:
    """Write down that the missing fields are to be made, and ring for a worker. Where that is under way already, the
    run that does it."""
    under_way = _of(account).filter(finished_at=None)
    run: ProvisionRun | None = under_way.first()
    if run is None:
        try:
            with transaction.atomic():
                run = ProvisionRun.objects.create(
                    practice_id=account.practice_id, sub_account=account, made_by=user
                )
        except IntegrityError:
            run = under_way.get()
    transaction.on_commit(lambda: bell.ring(bell.UPKEEP, waiting_jobs=1))
    return run


def latest(account: SubAccount) -> ProvisionRun | None:
    """The newest run of a sub-account."""
    run: ProvisionRun | None = _of(account).order_by("-pk").first()
    return run


def _of(account: SubAccount) -> QuerySet[ProvisionRun]:
    rows: QuerySet[ProvisionRun] = ProvisionRun.objects.for_practice(account.practice_id)
    return rows.filter(sub_account=account)


def progress(run: ProvisionRun) -> FieldsProgress:
    """How far a run is, or what came of it."""
    ticks = [Tick(**one) for one in run.fields]
    names = lambda *states: tuple(tick.name for tick in ticks if tick.state in states)  # noqa: E731
    return FieldsProgress(
        made=names(FieldState.CREATED),
        existed=names(FieldState.EXISTS),
        wrong=names(FieldState.WRONG_TYPE),
        refused=names(FieldState.REFUSED),
        to_come=names(*TO_COME),
        trouble=tuple(tick.words for tick in ticks if tick.words),
        is_finished=run.finished_at is not None,
    )


# --- carrying it out --------------------------------------------------------------------------------------------


@dataclass
class _Held:
    """A run that this worker holds. Every write renews the lease, or raises LeaseLost."""

    run: ProvisionRun
    owner: str
    ends: float
    ticks: dict[str, Tick] = field(default_factory=dict)

    @property
    def is_out_of_time(self) -> bool:
        return time.monotonic() > self.ends

    def save(self, **changes: Any) -> None:
        rows = _every().filter(pk=self.run.pk, lease_owner=self.owner, finished_at=None)
        if not rows.update(**{"lease_until": timezone.now() + LEASE, **changes}):
            raise LeaseLost

    def tick(self, key: str, tick: Tick) -> None:
        self.ticks[key] = tick
        self.save(fields=self._as_json())

    def forget(self, key: str, name: str) -> None:
        """The CRM was never asked for it."""
        self.tick(key, Tick(name, FieldState.MISSING))

    def _as_json(self) -> list[Json]:
        return [asdict(tick) for tick in self.ticks.values()]

    def give_back(self, until: timedelta = timedelta(0), because: str = "", failures: int = 0) -> None:
        self.save(
            lease_owner="",
            lease_until=None,
            next_at=timezone.now() + until,
            waits_because=because[:400],
            failures=failures,
        )

    def finish(self, error: str = "") -> None:
        self.save(
            lease_owner="",
            lease_until=None,
            finished_at=timezone.now(),
            waits_because="",
            error=error[:400],
            fields=self._as_json(),
        )


def anything_due() -> bool:
    """Whether a run waits for a worker."""
    return _due().exists()


def carry_on_provisioning() -> int:
    """Carry on with every run that is due. How many were."""
    ends, looked_at = time.monotonic() + SLICE_SECONDS, 0
    for pk in list(_due().order_by("pk").values_list("pk", flat=True)):
        if looked_at and time.monotonic() > ends:
            bell.ring(bell.UPKEEP, waiting_jobs=1)
            break
        held = _claim(pk, ends)
        if held is not None:
            looked_at += 1
            _carry_on(held)
    return looked_at


def _every() -> QuerySet[ProvisionRun]:
    rows: QuerySet[ProvisionRun] = ProvisionRun.objects.across_practices()
    return rows


def _due() -> QuerySet[ProvisionRun]:
    now = timezone.now()
    free = Q(lease_until__isnull=True) | Q(lease_until__lte=now)
    return _every().filter(free, finished_at=None, next_at__lte=now)


def _claim(pk: int, ends: float) -> _Held | None:
    owner = secrets.token_hex(16)
    if not _due().filter(pk=pk).update(lease_owner=owner, lease_until=timezone.now() + LEASE):
        return None
    run = _every().select_related("sub_account__practice").filter(pk=pk).first()
    if run is None:  # deleted with its practice this very moment
        return None
    return _Held(run, owner, ends, {field_key(one["name"]): Tick(**one) for one in run.fields})


def _carry_on(held: _Held) -> None:
    try:
        _make_fields(held)
    except LeaseLost:
        return
    except (OperationalError, InterfaceError, BaseTimeoutException):
        raise  # the lease runs out, and the next look goes on
    except Exception as error:
        _trouble(held, error)


def _trouble(held: _Held, error: Exception) -> None:
    """A CRM that is away or wants a pause is waited for; whatever a person has to put right ends the run."""
    try:
        if isinstance(error, RateLimited):
            held.give_back(timedelta(seconds=error.retry_after), str(error), held.run.failures)
        elif isinstance(error, TransientError):
            wait = min(LONGEST_RETRY, RETRY * 2 ** min(held.run.failures, 10))
            held.give_back(wait, str(error), min(held.run.failures + 1, 100))
        elif isinstance(error, ContractError):
            held.finish(f"{error} {error.vendor_words}".strip())
        else:
            logger.error("provision run %s failed: %s", held.run.pk, type(error).__name__)
            held.finish(f"It broke off here ({type(error).__name__}). What was made stays.")
    except LeaseLost:
        return


def _make_fields(held: _Held) -> None:
    account = held.run.sub_account
    client = client_for(account)
    plans = plans_of(account, client.list_custom_fields())
    if not plans:
        held.finish("Choose the EMR first: the fields depend on it.")
        return
    needed = list(_needed(plans))
    held.ticks = {key: _seen(held.ticks.get(key), report) for key, report, _ in needed}
    notes = [plan.words for _, plan in plans if plan.words]
    held.save(fields=[asdict(tick) for tick in held.ticks.values()], notes=notes, waits_because="")
    for key, report, folder_id in needed:
        if held.ticks[key].state != FieldState.MISSING:
            continue
        if held.is_out_of_time:
            held.give_back()
            bell.ring(bell.UPKEEP, waiting_jobs=1)
            return
        _make_one(held, client, key, report, folder_id)
    store_listing(account, fetch_listing(client))
    held.finish()


def _needed(plans: Sequence[tuple[Manifest, FieldPlan]]) -> Iterator[tuple[str, FieldReport, str]]:
    """(key, report, folder id) of each field; one that several EMRs need once."""
    seen: set[str] = set()
    for _, plan in plans:
        for report in plan.fields:
            if (key := field_key(report.name)) not in seen:
                seen.add(key)
                yield key, report, plan.folder_id


def _seen(before: Tick | None, report: FieldReport) -> Tick:
    """What is known of a field after the CRM's list was read again."""
    now = Tick(report.name, report.state, report.words)
    if before is None:
        return now
    if report.state is FieldState.MISSING:
        # What the CRM said yes to stands, even where its list lags behind; what it refused is not asked for again.
        return before if before.state in (FieldState.CREATED, FieldState.REFUSED) else now
    was_made_here = before.state in (ASKED, FieldState.CREATED)
    return replace(now, state=FieldState.CREATED) if was_made_here and not now.words else now


def _make_one(held: _Held, client: CrmClient, key: str, report: FieldReport, folder_id: str) -> None:
    held.tick(key, Tick(report.name, ASKED))
    try:
        done, _ = create_field(client, report, folder_id)
    except ContractError as error:
        if not getattr(error, "may_have_happened", False):
            held.forget(key, report.name)
        raise
    held.tick(key, Tick(done.name, done.state, done.words))
    held.run.failures = 0


def counts(found: FieldsProgress) -> Mapping[str, int]:
    """How many became what, in the order in which it is said."""
    return {
        "made": len(found.made),
        "existed": len(found.existed),
        "of the wrong type": len(found.wrong),
        "refused": len(found.refused),
    }
