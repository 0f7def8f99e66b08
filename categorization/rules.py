"""From a reading to a category: rules in the order in which they are asked. The first that answers wins.

``RULES`` at the end is the order; each function's docstring is the rule in words. A rule's confidence is lowered to
the certainty of the terms it rests on, and a little for misspelled ones. No category means: nothing but a guess
could choose one.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from categorization.categories import Category
from categorization.reading import NON_SURGICAL, UNDECIDED, Found, Reading
from categorization.words import JOINT

MISSPELLED = 0.05
FLAGGED = 0.55
"""The most confidence a suggestion may have that a person must look at."""

MED_SPA = "med_spa"
PLASTIC_SURGERY = "plastic_surgery"

_NAMED = {
    "surgery": "a named surgery",
    "operation": "a word for surgery",
    "minor": "a small surgical procedure",
    "concern": "something that is operated on",
    "injectable": "an injectable",
    "device": "a laser or device treatment",
    "skin": "a skin treatment",
    "wellness": "a wellness treatment",
    "hair": "a hair treatment",
    "nonsurgical": "a word for non-surgical care",
}


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a rule says. ``confidence`` runs from 0 to 1."""

    category: Category | None
    confidence: float
    reason: str


@dataclass(frozen=True, slots=True)
class Question:
    """A reading and the kind of practice that asks."""

    reading: Reading
    is_med_spa: bool
    is_surgical_only: bool

    def of(self, *kinds: str) -> tuple[Found, ...]:
        return self.reading.of(*kinds)

    def has(self, *kinds: str) -> bool:
        return self.reading.has(*kinds)

    @property
    def surgery(self) -> tuple[Found, ...]:
        """Named operations and words for an operation."""
        return self.of("surgery", "operation")

    @property
    def treatment(self) -> tuple[Found, ...]:
        """Named non-surgical treatments."""
        return self.of(*NON_SURGICAL)

    @property
    def has_topic(self) -> bool:
        return self.has("surgery", "operation", "minor", "concern", *NON_SURGICAL)


Rule = Callable[[Question], Verdict | None]


def decide(question: Question) -> Verdict:
    """The answer of the first rule that has one."""
    for rule in RULES:
        verdict = rule(question)
        if verdict:
            return verdict
    return Verdict(None, 0.1, "None of its words says what kind of appointment it is.")


def _verdict(category: Category | None, confidence: float, reason: str, on: Iterable[Found] = ()) -> Verdict:
    for found in on:
        confidence = min(confidence, found.term.certainty - (MISSPELLED if found.misspelled else 0))
        if found.misspelled:
            reason += f" (read '{found.text}' as '{found.term.text}')"
    return Verdict(category, max(confidence, 0.0), reason)


def _quoted(found: Iterable[Found]) -> str:
    return ", ".join(dict.fromkeys(f"'{one.text}'" for one in found))


def _surest(found: tuple[Found, ...]) -> tuple[Found, ...]:
    """The one term to rest on, of several that say the same."""
    return (max(found, key=lambda one: (one.term.certainty, not one.misspelled)),)


def _topic(found: tuple[Found, ...]) -> str:
    return f"{_NAMED[found[0].term.kind]} ({_quoted(found[:1])})"


def _is_modifier(question: Question) -> bool:
    """Whether a treatment only colours a surgery's name: "laser facelift", "Botox brow lift"."""
    surgery, treatment = question.surgery[0], question.treatment[0]
    return treatment.start < surgery.start and not question.reading.joined(treatment, surgery)


def empty(question: Question) -> Verdict | None:
    """No word at all: nothing to go by."""
    if question.reading.is_empty:
        return Verdict(None, 0.0, "The name has no words.")
    return None


def retired(question: Question) -> Verdict | None:
    """Marked as no longer used: a person says whether it still matters."""
    if found := question.of("retired"):
        return _verdict(None, 0.3, f"{_quoted(found)} says that the type is no longer used")
    return None


def blocked(question: Question) -> Verdict | None:
    """Time kept free is Blocked, whatever it is kept free for."""
    if found := question.of("block"):
        sure = 0.85 if question.has_topic or question.has("consult", "post_op", "pre_op") else 0.95
        return _verdict(Category.BLOCKED, sure, f"{_quoted(found)} is time without a patient", _surest(found))
    return None


def none_today(question: Question) -> Verdict | None:
    """ "No lasers", "clinic - no Botox": a note to the desk is Blocked."""
    for negation in question.of("negation"):
        follows = [
            found for found in question.treatment + question.surgery if found.start == negation.start + 1
        ]
        if follows and (negation.start == 0 or negation.before == JOINT):
            return _verdict(Category.BLOCKED, 0.65, f"'no' before {_topic(tuple(follows))}")
    return None


def trial_row(question: Question) -> Verdict | None:
    """A row made to try the system is Blocked, unless a treatment is named too."""
    if found := question.of("test"):
        if question.has_topic:
            return _verdict(
                None, 0.4, f"{_quoted(found)} looks like a trial row, but a treatment is named too"
            )
        return _verdict(Category.BLOCKED, 0.75, f"{_quoted(found)} looks like a trial row", found)
    return None


def training(question: Question) -> Verdict | None:
    """Teaching is Blocked; somebody to practise on is a patient, so that a person looks."""
    if found := question.of("training"):
        sure = 0.5 if question.has("unclear", "consult") else 0.65 if question.has_topic else 0.85
        return _verdict(Category.BLOCKED, sure, f"{_quoted(found)} is time for staff")
    return None


def occasion(question: Question) -> Verdict | None:
    """Events are Blocked; with a treatment in the name they can be either."""
    if found := question.of("occasion"):
        if question.has_topic or question.has("consult"):
            reason = f"{_quoted(found)} with a treatment: time for staff, or for patients?"
            return _verdict(Category.BLOCKED, 0.5, reason)
        return _verdict(Category.BLOCKED, 0.8, f"{_quoted(found)} is time without a patient", found)
    return None


def before_and_after(question: Question) -> Verdict | None:
    """Both pre-op and post-op: neither moves the pipeline, a person says which."""
    before, after = question.of("pre_op"), question.of("post_op")
    if before and after:
        reason = f"both before ({_quoted(before)}) and after ({_quoted(after)}) an operation"
        return _verdict(Category.POST_OP, FLAGGED, reason)
    return None


def post_op(question: Question) -> Verdict | None:
    """Post-op words make Post-Op; next to a treatment that is no surgery a person looks."""
    found = question.of("post_op")
    if not found:
        return None
    named = question.of("surgery", "operation", "minor", "concern")
    if question.treatment and not named:
        reason = f"{_quoted(found)} with {_topic(question.treatment)}, which is no surgery"
        sure = FLAGGED if found[0].term.certainty == 1 else 0.6
        return _verdict(Category.POST_OP, sure, reason)
    about = f" about {_topic(named)}" if named else ""
    return _verdict(Category.POST_OP, 0.95, f"{_quoted(found)}{about}", _surest(found))


def pre_op(question: Question) -> Verdict | None:
    """Pre-op words make Pre-Op, also when the visit is called a consult."""
    found = question.of("pre_op")
    if not found:
        return None
    named = question.of("surgery", "operation", "minor", "concern")
    if question.treatment and not named:
        reason = f"{_quoted(found)} with {_topic(question.treatment)}, which is no surgery"
        return _verdict(Category.PRE_OP, FLAGGED, reason)
    about = f" about {_topic(named)}" if named else ""
    sure = 0.8 if question.has("consult") else 0.94
    return _verdict(Category.PRE_OP, sure, f"{_quoted(found)}{about}", _surest(found))


def after(question: Question) -> Verdict | None:
    """ "Post" or "s/p" is Post-Op after a surgery, a treatment visit after a treatment."""
    found = question.of("after")
    if not found or question.has("consult"):
        return None
    named = question.of("surgery", "operation", "minor", "concern")
    if named:
        return _verdict(Category.POST_OP, 0.85, f"{_quoted(found)} {_topic(named)}", _surest(named))
    if question.treatment:
        reason = f"{_quoted(found)} {_topic(question.treatment)}"
        return _verdict(Category.NON_SURGICAL_APPOINTMENT, 0.75, reason, _surest(question.treatment))
    if question.reading.has_timing:
        return _verdict(Category.POST_OP, 0.7, f"{_quoted(found)} with a time since then")
    return _verdict(Category.POST_OP, 0.5, f"{_quoted(found)} does not say after what")


def before(question: Question) -> Verdict | None:
    """ "Pre" is Pre-Op before a surgery; before anything else a person looks."""
    found = question.of("before")
    if not found or question.has("consult"):
        return None
    named = question.of("surgery", "operation", "minor", "concern")
    if named:
        return _verdict(Category.PRE_OP, 0.8, f"{_quoted(found)} {_topic(named)}", _surest(named))
    if question.treatment:
        return _verdict(
            Category.NON_SURGICAL_APPOINTMENT, 0.5, f"{_quoted(found)} {_topic(question.treatment)}"
        )
    return _verdict(Category.PRE_OP, 0.45, f"{_quoted(found)} does not say before what")


def online(question: Question) -> Verdict | None:
    """Booked on the web: Online Appointment, unless the name also says for what."""
    found = question.of("online")
    if not found:
        return None
    if not question.has_topic and not question.has("follow_up", *UNDECIDED):
        sure = 0.8 if question.has("consult") else 0.92
        return _verdict(Category.ONLINE, sure, f"{_quoted(found)} is a slot booked on the web", found)
    rest = decide(_without(question, "online"))
    reason = f"{rest.reason}; but {_quoted(found)} may make it an Online Appointment"
    return Verdict(rest.category, min(rest.confidence, FLAGGED), reason)


def _without(question: Question, kind: str) -> Question:
    reading = question.reading
    kept = tuple(found for found in reading.found if found.term.kind != kind)
    return Question(
        Reading(kept, reading.has_timing, reading.is_empty, reading.joints),
        question.is_med_spa,
        question.is_surgical_only,
    )


def consult_about_both(question: Question) -> Verdict | None:
    """A consult about surgery and a treatment: a person says which it is, unless one colours the other."""
    consult, surgery, treatment = question.of("consult"), question.surgery, question.treatment
    if not (consult and surgery and treatment):
        return None
    both = f"{_topic(surgery)} and {_topic(treatment)}"
    if question.has("nonsurgical") or _is_modifier(question):
        reason = f"{_quoted(consult[:1])} with {_topic(treatment)}"
        return _verdict(Category.NON_SURGICAL_CONSULT, 0.65, reason, _surest(treatment))
    return _verdict(Category.SURGICAL_CONSULT, 0.5, f"{_quoted(consult[:1])} about {both}")


def consult_about_surgery(question: Question) -> Verdict | None:
    """A consult with a named surgery, or with the word surgery, is a Surgical Consult."""
    consult = question.of("consult")
    if not (consult and question.surgery):
        return None
    sure = 0.7 if question.has("follow_up") else 0.94
    reason = f"{_quoted(consult[:1])} with {_topic(question.surgery)}"
    on = (*_surest(question.surgery), *_surest(consult))
    return _verdict(Category.SURGICAL_CONSULT, sure, reason, on)


def consult_about_treatment(question: Question) -> Verdict | None:
    """A consult about a treatment is a Non-Surgical Consult; "consult & treatment" is one visit with both."""
    consult, treatment = question.of("consult"), question.treatment
    if not (consult and treatment):
        return None
    reason = f"{_quoted(consult[:1])} with {_topic(treatment)}"
    doing = question.of("treatment")
    if doing and question.reading.joined(doing[0], consult[0]):
        return _verdict(
            Category.NON_SURGICAL_APPOINTMENT, FLAGGED, f"{reason}, and {_quoted(doing)} in the same visit"
        )
    if question.has("minor"):
        return _verdict(Category.NON_SURGICAL_CONSULT, 0.5, f"{reason} and {_topic(question.of('minor'))}")
    sure = 0.75 if question.has("concern", "follow_up") else 0.93
    return _verdict(Category.NON_SURGICAL_CONSULT, sure, reason, (*_surest(treatment), *_surest(consult)))


def consult_about_a_part(question: Question) -> Verdict | None:
    """A consult about breast, nose or a lesion is about surgery; about face or body it can be either."""
    consult = question.of("consult")
    if not consult:
        return None
    said = _quoted(consult[:1])
    if named := question.of("concern", "minor"):
        reason = f"{said} about {_topic(named)}"
        return _verdict(Category.SURGICAL_CONSULT, 0.85, reason, (*_surest(named), *_surest(consult)))
    if question.is_med_spa:
        return None
    if unclear := question.of(*UNDECIDED):
        return _verdict(None, 0.4, f"{said}, but {_doubt(unclear)}")
    return None


def consult_alone(question: Question) -> Verdict | None:
    """A consult about nothing named is clear in a med spa only."""
    consult = question.of("consult")
    if not consult:
        return None
    said = _quoted(consult[:1])
    if question.has("follow_up"):
        return _verdict(None, 0.35, f"{said} with a follow-up, but not of what")
    if question.is_med_spa:
        reason = f"{said} in a med spa, where nothing is surgical"
        return _verdict(Category.NON_SURGICAL_CONSULT, 0.85, reason, _surest(consult))
    if question.is_surgical_only:
        return _verdict(Category.SURGICAL_CONSULT, 0.5, f"{said} does not say whether it is about surgery")
    return _verdict(None, 0.4, f"{said} does not say whether it is about surgery")


def follow_up_of_something(question: Question) -> Verdict | None:
    """A follow-up of surgery is Post-Op; of a treatment it is a treatment visit."""
    found = question.of("follow_up")
    if not found:
        return None
    said, surgery, treatment = _quoted(found[:1]), question.surgery, question.treatment
    if surgery and treatment and not question.has("nonsurgical") and not _is_modifier(question):
        reason = f"{said} of {_topic(surgery)} and of {_topic(treatment)}"
        return _verdict(Category.POST_OP, 0.5, reason)
    if treatment:
        reason = f"{said} of {_topic(treatment)}"
        sure = 0.7 if question.has("minor", "concern") else 0.92
        return _verdict(Category.NON_SURGICAL_APPOINTMENT, sure, reason, _surest(treatment))
    if named := surgery or question.of("minor", "concern"):
        sure = 0.65 if named[0].term.kind == "concern" else 0.88
        return _verdict(Category.POST_OP, sure, f"{said} of {_topic(named)}", _surest(named))
    return None


def touch_up(question: Question) -> Verdict | None:
    """Touch-ups correct a treatment; of a surgery they may be an operation."""
    found = question.of("touch_up")
    if not found:
        return None
    said = _quoted(found[:1])
    if named := question.surgery or question.of("minor"):
        return _verdict(None, 0.45, f"{said} of {_topic(named)}: a check or another operation?")
    if question.treatment:
        reason = f"{said} of {_topic(question.treatment)}"
        return _verdict(Category.NON_SURGICAL_APPOINTMENT, 0.9, reason, _surest(question.treatment))
    if question.has("unclear", "concern") and not question.is_med_spa:
        return None
    return _verdict(
        Category.NON_SURGICAL_APPOINTMENT, 0.7, f"{said}: small corrections follow a treatment", found
    )


def follow_up_alone(question: Question) -> Verdict | None:
    """A follow-up depends on what it follows; alone it is anybody's guess."""
    found = question.of("follow_up")
    if not found:
        return None
    said = f"{_quoted(found[:1])} depends on what it follows"
    if question.is_med_spa:
        return _verdict(Category.NON_SURGICAL_APPOINTMENT, FLAGGED, said)
    if question.reading.has_timing:
        return _verdict(Category.POST_OP, 0.5, f"{said}; the time points to an operation")
    return _verdict(None, 0.3, said)


def new_for_surgery(question: Question) -> Verdict | None:
    """A new patient with a named surgery comes for a consult first."""
    found = question.of("new_patient")
    named = question.surgery or question.of("concern", "minor")
    if found and named and not question.treatment:
        reason = f"{_quoted(found[:1])} with {_topic(named)}: a consult comes first"
        return _verdict(Category.SURGICAL_CONSULT, 0.7, reason, _surest(named))
    return None


def seen_for_surgery(question: Question) -> Verdict | None:
    """An office or video visit about a surgery is not the surgery; before or after it, nobody knows."""
    found = question.of("office_visit")
    if found and question.surgery and not question.treatment:
        reason = f"{_quoted(found[:1])} about {_topic(question.surgery)}: before or after it?"
        return _verdict(None, 0.4, reason)
    return None


def time_after_surgery(question: Question) -> Verdict | None:
    """A surgery with "1 wk" or "6 mo" is the check at that time."""
    if question.of("surgery") and question.reading.has_timing and not question.treatment:
        reason = f"{_topic(question.of('surgery'))} with a time since then"
        return _verdict(Category.POST_OP, 0.72, reason, _surest(question.of("surgery")))
    return None


def kept_free_with_topic(question: Question) -> Verdict | None:
    """A word for kept time next to a treatment ("staff Botox"): the treatment counts, with less certainty."""
    found = question.of("block_alone")
    if not (found and question.has_topic):
        return None
    rest = decide(_without(question, "block_alone"))
    limit = FLAGGED if question.surgery else 0.65
    return Verdict(
        rest.category, min(rest.confidence, limit), f"{rest.reason}; {_quoted(found)} leaves a doubt"
    )


def surgery_and_treatment(question: Question) -> Verdict | None:
    """Both in one name: an operation with something added, or a treatment with a surgery's name."""
    surgery, treatment = question.surgery, question.treatment
    if not (surgery and treatment):
        return None
    both = f"{_topic(surgery)} and {_topic(treatment)}"
    if question.has("nonsurgical"):
        return _verdict(Category.NON_SURGICAL_APPOINTMENT, 0.8, f"says that it is not surgical: {both}")
    if _is_modifier(question):
        reason = f"{_topic(treatment)} under a name that sounds like surgery ({_quoted(surgery[:1])})"
        return _verdict(Category.NON_SURGICAL_APPOINTMENT, 0.62, reason, _surest(treatment))
    if surgery[0].part != treatment[0].part:
        return _verdict(None, 0.4, f"type and purpose disagree: {both}")
    sure = 0.7 if question.reading.joined(surgery[0], treatment[0]) else FLAGGED
    return _verdict(Category.SURGICAL_APPOINTMENT, sure, f"{both} in one visit", _surest(surgery))


def surgery_itself(question: Question) -> Verdict | None:
    """A surgery and nothing else is the surgery."""
    surgery = question.surgery
    if not surgery:
        return None
    if all(found.term.text == "or" for found in surgery) and not question.has(
        "concern", "minor", "procedure"
    ):
        return _verdict(None, 0.45, "'OR' alone is an operation or time kept free for one")
    sure = 0.9 if question.has("surgery") else 0.86
    return _verdict(
        Category.SURGICAL_APPOINTMENT, sure, f"{_topic(surgery)} and nothing else", _surest(surgery)
    )


def treatment_itself(question: Question) -> Verdict | None:
    """A treatment and nothing else is the treatment."""
    treatment = question.treatment
    if not treatment:
        return None
    if small := question.of("minor"):
        both = f"{_topic(treatment)} and {_topic(small)}"
        return _verdict(Category.NON_SURGICAL_APPOINTMENT, 0.5, both)
    sure = 0.8 if question.has("concern") else 0.93
    return _verdict(Category.NON_SURGICAL_APPOINTMENT, sure, _topic(treatment), _surest(treatment))


def small_procedure(question: Question) -> Verdict | None:
    """Small procedures with a knife count as surgery, though not in every practice."""
    if small := question.of("minor"):
        return _verdict(Category.SURGICAL_APPOINTMENT, 0.75, _topic(small), _surest(small))
    return None


def kept_free(question: Question) -> Verdict | None:
    """Words for kept time, when nothing else in the name is about a patient."""
    found = question.of("block_alone")
    if found and not question.has("unclear", "new_patient", "touch_up", "procedure", "treatment"):
        return _verdict(Category.BLOCKED, 0.8, f"{_quoted(found)} is time without a patient", found)
    return None


def clear_in_a_med_spa(question: Question) -> Verdict | None:
    """Some words with two meanings have one where nobody operates."""
    found = tuple(one for one in question.of("unclear") if one.term.clear_in_med_spa)
    if question.is_med_spa and found:
        reason = f"{_quoted(found)} in a med spa, where nothing is surgical"
        return _verdict(Category.NON_SURGICAL_APPOINTMENT, 0.75, reason, found)
    return None


def unclear_word(question: Question) -> Verdict | None:
    """A word with two meanings, or a part of the body: the reason says which meanings."""
    if found := question.of("unclear"):
        return _verdict(None, 0.4, f"{_quoted(found[:1])}: {_doubt(found)}")
    if found := question.of("concern", "area"):
        return _verdict(None, 0.35, f"{_quoted(found[:1])} says what it is about, not what is done")
    return None


def generic_word(question: Question) -> Verdict | None:
    """Words that fit every kind of appointment."""
    said = {
        "procedure": "is a surgery or a treatment",
        "treatment": "does not say which",
        "new_patient": "is a consult, a treatment or only a form",
        "office_visit": "does not say what for",
        "visit": "does not say what for",
    }
    for kind, doubt in said.items():
        if found := question.of(kind):
            leaning = kind == "treatment" or (question.is_med_spa and kind in ("procedure", "visit"))
            category = Category.NON_SURGICAL_APPOINTMENT if leaning else None
            return _verdict(category, 0.5 if leaning else 0.3, f"{_quoted(found[:1])} {doubt}")
    return None


def only_a_time(question: Question) -> Verdict | None:
    """Only "1 week" or "6 mo": most likely a check after an operation, but it does not say so."""
    if question.reading.has_timing:
        return _verdict(Category.POST_OP, 0.45, "only says when, not what")
    return None


def _doubt(found: tuple[Found, ...]) -> str:
    return found[0].term.says or f"{_quoted(found[:1])} can be about surgery or about a treatment"


RULES: tuple[Rule, ...] = (
    empty,
    retired,
    blocked,
    none_today,
    trial_row,
    training,
    occasion,
    before_and_after,
    post_op,
    pre_op,
    after,
    before,
    online,
    kept_free_with_topic,
    consult_about_both,
    consult_about_surgery,
    consult_about_treatment,
    consult_about_a_part,
    consult_alone,
    follow_up_of_something,
    touch_up,
    follow_up_alone,
    new_for_surgery,
    seen_for_surgery,
    time_after_surgery,
    surgery_and_treatment,
    surgery_itself,
    treatment_itself,
    small_procedure,
    kept_free,
    clear_in_a_med_spa,
    unclear_word,
    generic_word,
    only_a_time,
)
