"""A practice's types as they stand on the page: in which order, how sure the suggestion is, what can be chosen."""

import zoneinfo
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from functools import cached_property
from typing import Any

from django.db.models import QuerySet
from django.utils import timezone

from categorization.categories import Category
from categorization.engine import ConnectionFacts, engine
from categorization.models import AppointmentType
from categorization.review.explanations import NUMBERS, explanations, explanations_for
from tenants.models import Practice

VERY_LIKELY = 0.85


@dataclass(frozen=True, slots=True)
class Choice:
    """One category that a person may choose: its key on the keyboard, and what it does."""

    number: int
    category: str
    words: str


@dataclass(frozen=True)
class Line:
    """One type on the page. ``facts`` is None where its connection is gone."""

    row: AppointmentType
    facts: ConnectionFacts | None
    today: date
    names_emr: bool = False

    @property
    def emr(self) -> str:
        """The EMR's name, where the practice has several connections."""
        return self.facts.emr if self.names_emr and self.facts else ""

    @property
    def next_on(self) -> date | None:
        """The day of the next booking that is still to come."""
        day = self.row.next_on
        return day if day and day >= self.today else None

    @property
    def suggested(self) -> str:
        """The suggestion, if it can be chosen at all."""
        return self.row.suggested if self.row.suggested in self.row.choices else ""

    @property
    def is_sure(self) -> bool:
        return bool(self.suggested) and self.row.may_be_agreed_with

    @property
    def may_be_ticked(self) -> bool:
        """Whether it stands in the list of suggestions to agree with."""
        return self.is_sure and not self.row.is_confirmed

    @property
    def how_sure(self) -> str:
        if not self.is_sure:
            return "please look"
        return "very likely" if (self.row.confidence or 0) >= VERY_LIKELY else "likely"

    @property
    def tone(self) -> str:
        return "sure" if self.is_sure else "asks"

    @cached_property
    def choices(self) -> list[Choice]:
        words = explanations_for(self.facts)
        return [Choice(NUMBERS[Category(name)], name, words[name]) for name in self.row.choices]

    @property
    def order(self) -> tuple[Any, ...]:
        """First what is to review: what is booked soonest, then what was seen most."""
        if self.row.is_confirmed:
            return True, False, date.max, 0, self.row.name_key, self.row.purpose_key
        day = self.next_on
        seen = -self.row.times_seen
        return False, day is None, day or date.max, seen, self.row.name_key, self.row.purpose_key


def asked_of(practice: Practice) -> QuerySet[AppointmentType]:
    """The types that a practice is asked about: not those that its EMR dropped before anybody had such a visit."""
    rows: QuerySet[AppointmentType] = AppointmentType.objects.for_practice(practice)
    return rows.exclude(gone_at__isnull=False, times_seen=0, confirmed_at__isnull=True)


def today_at(practice: Practice) -> date:
    """The day it is where the practice is."""
    return timezone.now().astimezone(zoneinfo.ZoneInfo(practice.time_zone)).date()


def lines_of(practice: Practice, rows: QuerySet[AppointmentType] | None = None) -> list[Line]:
    """The practice's types (or some of them), those to review first."""
    facts = engine().connections(practice.pk)
    today, names_emr = today_at(practice), len(facts) > 1
    found = (asked_of(practice) if rows is None else rows).select_related("confirmed_by")
    made = [Line(row, facts.get(row.connection_key), today, names_emr) for row in found]
    return sorted(made, key=lambda line: line.order)


def legend(facts: Mapping[str, ConnectionFacts]) -> list[Choice]:
    """All choices that a practice has, each explained."""
    two = not facts or any(one.has_two_pipelines for one in facts.values())
    online = any(one.offers_online for one in facts.values())
    words = explanations(has_two_pipelines=two)
    shown = [one for one in Category if one is not Category.ONLINE or online]
    return [Choice(NUMBERS[one], one.value, words[one.value]) for one in shown]
