"""What an appointment type most likely counts as: a suggestion that a person confirms. It routes nothing.

Pure: the answer depends on the arguments only. No network, database or clock.

How a suggestion comes about:

1. ``words.py`` makes plain words of the name: case, accents, prices and plurals go; signs such as "f/u" become words.
2. ``spelling.py`` corrects words that nobody listed, unless they look like somebody's name.
3. ``reading.py`` finds the vocabulary's terms (``vocabulary/*.toml``), the longest first, and gives each its kind:
   a surgery, an injectable, a consult word, a follow-up word, a block …
4. ``rules.py`` asks its rules in order; the first that answers wins. In short:

   * Time without a patient is Blocked. Post-op and pre-op words win over everything that a visit could be about,
     since a wrong guess there moves a patient in the pipeline.
   * A consult or follow-up is what it is about: surgery, or a treatment. About neither, nobody can say.
   * A surgery alone is the surgery, a treatment alone is the treatment.
   * A word with two meanings ("BBL") is settled by its neighbours, or not at all.

5. This file weighs the rule's answer against what else is known: the practice's kind (a med spa has nothing
   surgical), the EMR's class of the type, its length, and what other practices have confirmed for the same name.

Confidence below ``SURE`` means that a person must look. A suggestion without a category says that choosing one
would be a guess; its reason says between what.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from categorization.categories import UNMOVING, Category, name_key
from categorization.reading import NON_SURGICAL, PHASES, SURGICAL, minutes_in, read
from categorization.rules import FLAGGED, MED_SPA, PLASTIC_SURGERY, Question, Verdict, decide

SURE = 0.6
"""Below this a person must look."""

Evidence = Mapping[str, Mapping[Category, int]]
"""What other practices confirmed: ``evidence_key`` → category → how many practices. Names no practice."""

_SHORTEST_SURGERY = 20
_LONG_PROCEDURE = 120
_MED_SPA_HAS = {
    Category.SURGICAL_CONSULT: Category.NON_SURGICAL_CONSULT,
    Category.SURGICAL_APPOINTMENT: Category.NON_SURGICAL_APPOINTMENT,
}
_CLINICAL = (*SURGICAL, *NON_SURGICAL, *PHASES, "unclear", "area", "new_patient", "procedure", "treatment")


@dataclass(frozen=True, slots=True)
class Suggestion:
    """A category (None where only a guess could choose one), how sure (0–1), and why in words."""

    category: Category | None
    confidence: float
    reason: str

    @property
    def needs_a_person(self) -> bool:
        """Whether it is too unsure to be agreed with in bulk."""
        return self.category is None or self.confidence < SURE


def evidence_key(name: str, purposes: Sequence[str] = ()) -> str:
    """The form under which confirmed mappings of a type and its purposes are kept as evidence."""
    return " / ".join(name_key(text) for text in (name, *purposes) if text.strip())


def suggest(
    name: str,
    *,
    purposes: Sequence[str] = (),
    type_class: str = "",
    minutes: int | None = None,
    kind: str = "",
    evidence: Evidence | None = None,
    offers_online: bool = True,
) -> Suggestion:
    """Suggest a category for an appointment type. Takes any string and never raises.

    ``type_class`` is the EMR's own class of the type (PatientNow: Appointment, Procedure or Office; anything else is
    read like a purpose). ``minutes`` is the type's length; a length in the name is used when it is None. ``kind`` is
    the practice's kind as in the practice file. ``offers_online`` is false for EMRs without Online Appointment.
    """
    of_class = name_key(type_class)
    about = [purpose for purpose in purposes if purpose.strip()]
    if of_class not in _CLASSES and of_class:
        about.append(type_class)
    reading = read(name, about)
    question = Question(reading, kind == MED_SPA, kind == PLASTIC_SURGERY)
    verdict = decide(question)
    if of_class in _CLASSES:
        verdict = _CLASSES[of_class](question, verdict)
    length = minutes if minutes is not None else minutes_in(name)
    verdict = _with_length(question, verdict, length)
    verdict = _with_evidence(verdict, (evidence or {}).get(evidence_key(name, purposes), {}))
    return _final(verdict, kind == MED_SPA, offers_online)


def _office(question: Question, verdict: Verdict) -> Verdict:
    """Class Office is no patient's visit."""
    if verdict.category is Category.BLOCKED:
        return Verdict(verdict.category, max(verdict.confidence, 0.9), f"{verdict.reason}; class Office")
    if verdict.category in UNMOVING:
        return Verdict(verdict.category, min(verdict.confidence, 0.75), f"{verdict.reason}; but class Office")
    if question.has(*_CLINICAL):
        return Verdict(verdict.category, min(verdict.confidence, 0.5), f"{verdict.reason}; but class Office")
    return Verdict(Category.BLOCKED, 0.85, "class Office is no patient's visit")


def _procedure(question: Question, verdict: Verdict) -> Verdict:
    """Class Procedure is a surgery or a treatment: it supports a named one and doubts a consult."""
    if question.has("consult") and verdict.category not in UNMOVING:
        return Verdict(
            verdict.category, min(verdict.confidence, 0.7), f"{verdict.reason}; but class Procedure"
        )
    if question.has("surgery", "minor", *NON_SURGICAL) and verdict.confidence >= SURE:
        surer = min(verdict.confidence + 0.05, 0.97)
        return Verdict(verdict.category, surer, f"{verdict.reason}; class Procedure")
    return verdict


def _appointment(question: Question, verdict: Verdict) -> Verdict:
    """Class Appointment is meant for visits without a procedure: it doubts a bare surgery name."""
    if verdict.category is Category.SURGICAL_APPOINTMENT and not question.has("operation"):
        reason = f"{verdict.reason}; but class Appointment is meant for visits without a procedure"
        return Verdict(verdict.category, min(verdict.confidence, FLAGGED), reason)
    return verdict


_CLASSES = {"office": _office, "procedure": _procedure, "appointment": _appointment}


def _with_length(question: Question, verdict: Verdict, minutes: int | None) -> Verdict:
    """A surgery does not take 15 minutes; a nameless procedure of two hours is probably one."""
    if minutes is None or minutes <= 0:
        return verdict
    is_surgery = verdict.category is Category.SURGICAL_APPOINTMENT and not question.has("minor")
    if is_surgery and minutes <= _SHORTEST_SURGERY:
        reason = f"{verdict.reason}; but {minutes} minutes are short for a surgery"
        return Verdict(verdict.category, min(verdict.confidence, 0.5), reason)
    if verdict.category is None and question.has("procedure") and minutes >= _LONG_PROCEDURE:
        reason = f"{verdict.reason}; {minutes} minutes point to surgery"
        return Verdict(Category.SURGICAL_APPOINTMENT, FLAGGED, reason)
    return verdict


def _with_evidence(verdict: Verdict, confirmed: Mapping[Category, int]) -> Verdict:
    """Weigh what other practices confirmed for the same name against the rules' answer."""
    total = sum(confirmed.values())
    if not total:
        return verdict
    chosen = max(confirmed, key=lambda category: (confirmed[category], category))
    count, share = confirmed[chosen], confirmed[chosen] / total
    said = f"{count} of {total} practice{'s' if total > 1 else ''} confirmed {chosen} for this name"
    if chosen is verdict.category:
        surer = verdict.confidence + (0.03 * min(count, 5) if share >= 0.8 else 0)
        return Verdict(chosen, min(surer, 0.98), f"{verdict.reason}; {said}")
    if verdict.confidence < SURE and not (verdict.category in UNMOVING and chosen not in UNMOVING):
        sure = min(0.5 + 0.05 * count, 0.8) if share >= 0.8 else 0.5
        return Verdict(chosen, sure, f"{said}; by its words alone: {verdict.reason}")
    if share >= 0.8 and count >= 2:
        return Verdict(verdict.category, min(verdict.confidence, FLAGGED), f"{verdict.reason}; but {said}")
    return verdict


def _final(verdict: Verdict, is_med_spa: bool, offers_online: bool) -> Suggestion:
    category, confidence, reason = verdict.category, verdict.confidence, verdict.reason
    if is_med_spa and category in _MED_SPA_HAS:
        category, confidence = _MED_SPA_HAS[category], min(confidence, 0.65)
        reason += "; a med spa has nothing surgical"
    if category is Category.ONLINE and not offers_online:
        category, confidence = None, min(confidence, 0.5)
        reason += "; this EMR has no Online Appointment"
    return Suggestion(category, round(min(max(confidence, 0.0), 1.0), 2), reason)
