"""The names and sentences of the made-up practices. Nobody is called so: addresses end in example.com, phones have
555 in them."""

from categorization.categories import Category
from integrations.models import EventState, HeldFor, IncidentKind, ParkedAs

_FIRST = """
Ada Alba Amara Anselm Arlo Aster Basil Beatrix Bruno Calla Cedric Clio Corin Dahlia Darius Delia Edda
Elio Elowen Ember Enzo Esme Fabian Fern Flora Gideon Greta Hazel Hugo Ida Imre Inez Iris Ivo Jonas Juno
Kaia Lars Leda Linus Lorna Maren Milo Mina Nadia Nils Nora Odette Orla Oscar Petra Quinn Rhea Rufus Selma
Silas Tamsin Theo Uma Vera Viggo Willa Xenia Yara Zora
"""
_FRONT = """
Ash Birch Brook Clay Dale Elm Fair Glen Hart Holm Kirk Lang May North Oak Rowan Sand Stone Thorn West
"""
_BACK = """
berg bridge by croft dale field ford gate ham hurst land ley low man mere more ridge son stead ton wood
"""
FIRST_NAMES = tuple(_FIRST.split())
LAST_NAMES = tuple(f"{front}{back}" for front in _FRONT.split() for back in _BACK.split())
AREAS = ("212", "305", "312", "415", "512", "617", "702", "813")

TREATMENTS = (
    "Breast Augmentation",
    "Rhinoplasty",
    "Tummy Tuck",
    "Facelift",
    "Liposuction",
    "Eyelid Surgery",
    "Botox",
    "Lip Filler",
    "Cheek Filler",
    "HydraFacial",
    "Microneedling",
    "Chemical Peel",
    "Laser Hair Removal",
    "CoolSculpting",
    "IV Drip",
    "Weight Loss",
)
# What is done in a visit, and what that counts as for surgery and for the rest.
VISITS = (
    ("Consult", Category.SURGICAL_CONSULT, Category.NON_SURGICAL_CONSULT),
    ("Appointment", Category.SURGICAL_APPOINTMENT, Category.NON_SURGICAL_APPOINTMENT),
    ("Follow-up", Category.POST_OP, Category.NON_SURGICAL_APPOINTMENT),
    ("Online", Category.SURGICAL_CONSULT, Category.NON_SURGICAL_CONSULT),
)
SURGERIES = 6  # the first of the treatments
PURPOSES = ("New patient", "Returning patient")

SENTENCES: dict[str, tuple[str, ...]] = {
    EventState.DONE: (
        "An appointment was booked: {type}.",
        "The patient is linked to the contact by e-mail and phone.",
        "{type} counts as a consult, confirmed by the practice on 3/2/2026.",
        "The contact moves to Booked, since its next visit is a consult.",
        "The note says which visit it is, who sees the patient and where.",
    ),
    EventState.SKIPPED: ("Nothing new: the same version of this appointment was worked on before.",),
    EventState.IGNORED: ("A test ping: there is nothing to do.",),
    EventState.HELD: (
        "An appointment was booked: {type}.",
        "Nobody has confirmed what {type} counts as: the pipeline step waits for that.",
    ),
    EventState.PARKED: ("An appointment was booked: {type}.", "The CRM refused the contact."),
    EventState.WAITING: (),
}
# How often what is held waits for what.
HELD = (
    (HeldFor.CATEGORY, 0.8),
    (HeldFor.LOCATION, 0.9),
    (HeldFor.IDENTITY, 0.97),
    (HeldFor.LIVE, 1.0),
)
PARKED = (
    (ParkedAs.REJECTED, "The CRM refused the contact: phone is no phone number."),
    (ParkedAs.CONFIG, "The stage Consult Booked is not mapped in the sub-account."),
    (ParkedAs.MALFORMED, "The field start is no date."),
    (ParkedAs.EXHAUSTED, "The CRM did not answer for three days."),
    (ParkedAs.UNSURE, "The lifetime value may have been written: nobody can tell."),
    (ParkedAs.INTERNAL, "An error of ours. It is in the log with the number of this event."),
)
INCIDENTS = (
    (IncidentKind.NEEDS_REAUTH, "The EMR refuses the credentials."),
    (IncidentKind.POLL_FAILING, "The EMR answers polls with an error."),
    (IncidentKind.SILENT, "Nothing has come for two days, which is unusual here."),
)
