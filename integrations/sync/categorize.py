"""Which category counts for a visit. Pure: the practice's snapshot in, a verdict out."""

from categorization.categories import UNMOVING, Category, category_named, furthest, name_key
from integrations.sync.decide import Verdict
from integrations.sync.profile import CategoryProfile, ConnectionProfile, PracticeProfile


def verdict(
    practice: PracticeProfile, connection: ConnectionProfile, type_name: str, purposes: tuple[str, ...]
) -> Verdict:
    """The category of a visit of that type and those purposes, and why.

    Single-pipeline set-ups count everything as non-surgical, except what is confirmed to move nothing.
    """
    found = _confirmed(practice, connection, type_name, purposes)
    dual = connection.manifest.has_surgical_pipeline and practice.has_surgery
    if not dual:
        return _single(found, type_name)
    label = _label(type_name, purposes)
    if not found:
        return Verdict(
            None, f"nobody has confirmed a category for {label} yet.", _key(connection, type_name, purposes)
        )
    names = [row.category for row in found]
    chosen = furthest(names)
    row = next(row for row in found if row.category == chosen)
    words = f"{label} counts as {chosen}, {row.words}."
    if len(set(names)) > 1:
        words += " Its purposes point to different categories; the one that moves furthest counts."
    if chosen is Category.ONLINE:
        return _online(connection, words, type_name, purposes)
    return Verdict(chosen, words)


def _single(found: list[CategoryProfile], type_name: str) -> Verdict:
    for row in found:
        if row.category in UNMOVING or row.category is Category.NON_SURGICAL_CONSULT:
            return Verdict(row.category, f'"{type_name}" counts as {row.category}, {row.words}.')
    return Verdict(Category.NON_SURGICAL_APPOINTMENT, "One pipeline: every appointment is non-surgical.")


def _online(connection: ConnectionProfile, words: str, type_name: str, purposes: tuple[str, ...]) -> Verdict:
    counts_as = category_named(str(connection.switches.get("online_appointment_counts_as") or ""))
    if counts_as is None or counts_as is Category.ONLINE:
        missing = "the practice has not chosen what an Online Appointment counts as."
        return Verdict(None, f"{words} {missing}", _key(connection, type_name, purposes))
    return Verdict(counts_as, f"{words} By the connection's setting that counts as {counts_as}.")


def _confirmed(
    practice: PracticeProfile, connection: ConnectionProfile, type_name: str, purposes: tuple[str, ...]
) -> list[CategoryProfile]:
    """Confirmed rows: the exact pair of type and purpose first, else the type whatever its purpose."""
    key = name_key(type_name)
    pairs = [practice.categories.get((connection.key, key, name_key(purpose))) for purpose in purposes]
    found = [row for row in pairs if row]
    whole = practice.categories.get((connection.key, key, ""))
    return found or ([whole] if whole else [])


def _label(type_name: str, purposes: tuple[str, ...]) -> str:
    return f'"{type_name}" ({", ".join(purposes)})' if purposes else f'"{type_name}"'


def _key(connection: ConnectionProfile, type_name: str, purposes: tuple[str, ...]) -> str:
    """What a held event waits for: ``connection|type|purposes`` in comparable form (500 characters at most)."""
    return "|".join([connection.key, name_key(type_name), *sorted(map(name_key, purposes))])[:500]


def has_category(practice: PracticeProfile, connection: ConnectionProfile, held_key: str) -> bool:
    """Whether what an event was held for is confirmed by now."""
    _, type_name, *purposes = held_key.split("|")
    return verdict(practice, connection, type_name, tuple(purposes)).category is not None
