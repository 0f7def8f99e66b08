"""Bayside Aesthetics as an installation of processes of its own: pretend CRM and PatientNow Pro, Redis, web, scheduler,
workers. Everything over HTTP."""

import json
import sys
from decimal import Decimal
from typing import Any

import requests

from integrations.emrs.patientnow_pro.sandbox import Practice as Desk
from tests.faults.programs import Program, manage
from tests.faults.stack import Stack
from tests.patientnow.clinic import API_KEY, EMR_ID, TOKENS, Json, crm_account, practice_file

VALUE, LAST_ORDER = "Patient Lifetime Value", "PNOW Last Order ID"
PUT, NOTES = "PUT /contacts/{id}", "POST /contacts/{id}/notes"

# The fault in which a worker hangs, and the kind of change that the CRM has done of it by then ("" for none).
Moment = tuple[Json, str]


class Installation(Stack):
    """The practice ``bayside`` in ``folder``; ``desk`` is its front desk at the pretend PatientNow Pro."""

    def build(self) -> None:
        """Pretend CRM and EMR, tables, practice."""
        bind = f"127.0.0.1:{self.crm_port}"
        words = ["-m", "integrations.sandbox.server", "--light", "--bind", bind, "--key", self.key]
        self.start("sandbox", [sys.executable, *words])
        self.run(*manage("migrate", "--verbosity", "0"))
        self.until(self._sandbox_answers, "the sandbox answers")
        self.door("POST", "/sub-accounts", crm_account("LOC1"))
        self.desk = Desk(f"http://{bind}/emr/patientnow_pro", self.key, EMR_ID)
        self.desk.set_up(API_KEY)
        document = json.dumps(practice_file(self.desk.base_url))
        self.webhooks = json.loads(self.run(*manage("import_practice", "-", "--provision"), given=document))[
            "webhooks"
        ]

    # What happens

    def notice(self, notice: Json) -> None:
        """A notice arrives."""
        self.tell(notice, connection="pnow")

    def worked(self, notice: Json) -> None:
        """A notice arrives and is worked off."""
        self.notice(notice)
        self.settle()

    def bill(self, who: str, total: str) -> Json:
        """A bill over that amount; its notice."""
        notice = self.desk.bill(who, ["Botox"], seed=1)
        record = self.desk.record("bills", notice["billId"])
        self.desk.save("bills", {**record, "total": total})
        return notice

    def by_hand(self, who: str, **values: Any) -> None:
        """Somebody changes fields of the contact in the CRM; underscores in names are spaces."""
        listed = self._crm("GET", "/locations/LOC1/customFields")["customFields"]
        ids = {row["name"]: row["id"] for row in listed}
        custom = [{"id": ids[name.replace("_", " ")], "field_value": value} for name, value in values.items()]
        self._crm("PUT", f"/contacts/{self.contact(who)['id']}", {"customFields": custom})

    def dies_at(self, moment: Moment, notice: Json) -> Program:
        """The only worker is killed while it hangs in the call of this moment."""
        fault, change = moment
        victim = self.only_worker()
        self.reaches(fault, change)
        self.notice(notice)
        self.reached(change)
        victim.kill()
        assert self.ask("release_dead", victim.name) == 1
        return victim

    # What came of it

    def contact(self, who: str) -> Json:
        """The only contact of this patient in the CRM, whole."""
        email = self.desk.record("patients", who)["email"]
        listed = self.door("GET", f"/contacts?limit=100&q={email}")["contacts"]
        assert len(listed) == 1, f"{len(listed)} contacts of one patient"
        found: Json = self.door("GET", f"/contacts/{listed[0]['id']}")
        return found

    def value(self, who: str) -> Decimal:
        """The patient's lifetime value in the CRM."""
        return Decimal(str(self.contact(who)["fields"].get(VALUE) or 0))

    def card(self, who: str) -> Decimal:
        """The value of the patient's only card."""
        (found,) = self.contact(who)["opportunities"]
        return Decimal(str(found["monetary_value"]))

    def order_notes(self, who: str) -> list[str]:
        """Headlines of the notes about money, oldest first."""
        bodies = [note["body"] for note in reversed(self.contact(who)["notes"])]
        return [
            body.splitlines()[0].removeprefix("PatientNow Pro: ") for body in bodies if "Order ID" in body
        ]

    def ledger(self) -> list[tuple[str, str]]:
        """Amount and state of each ledger row of this test, oldest first."""
        return [(row["amount"], row["state"]) for row in self.ask("ledger", self.mark)]

    def _crm(self, method: str, path: str, body: Any = None) -> Json:
        headers = {"Authorization": f"Bearer {TOKENS['LOC1']}", "Version": "2021-07-28"}
        url = f"http://127.0.0.1:{self.crm_port}/crm{path}"
        answer = requests.request(method, url, json=body, headers=headers, timeout=30)
        assert answer.ok, answer.text
        found: Json = answer.json()
        return found


def hang(route: str, *, after: bool = False) -> Json:
    """The fault that makes a call hang, before or after it is done, until its caller is dead."""
    return {"route": route, "kind": "hang", "seconds": 100, "after": after}
