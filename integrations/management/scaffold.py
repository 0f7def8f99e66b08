"""A new EMR folder from the templates in ``emr_scaffold/``."""

import keyword
import re
from pathlib import Path
from string import Template

TEMPLATES = Path(__file__).with_name("emr_scaffold")
_SLUG = re.compile(r"[a-z][a-z0-9_]{1,49}", re.ASCII)
_LABEL = re.compile(r"[\w&+'.()-]+(?: [\w&+'.()-]+)*", re.ASCII)


class ScaffoldError(Exception):
    """The folder cannot be made. ``str`` says what to change."""


def make_emr_folder(directory: Path, slug: str, name: str = "", prefix: str = "") -> Path:
    """Write ``directory/slug`` and return it. ``name`` is what people call the EMR, ``prefix`` starts the
    names of its CRM fields; both follow from the slug when empty.

    Raises ScaffoldError for a slug or label that cannot be used, and for a directory that is missing or holds
    such a folder already.
    """
    label = name or slug.replace("_", " ").title()
    texts = {"slug": slug, "name": label, "prefix": prefix or label.partition(" ")[0]}
    _check(texts)
    folder = directory / slug
    if not directory.is_dir():
        raise ScaffoldError(f"There is no directory {directory}.")
    if folder.exists():
        raise ScaffoldError(f"{folder} is there already: choose another slug, or remove it first.")
    for template in sorted(TEMPLATES.rglob("*.txt")):
        target = folder / template.relative_to(TEMPLATES).with_suffix("")
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(Template(template.read_text(encoding="utf-8")).substitute(texts), encoding="utf-8")
    return folder


def _check(texts: dict[str, str]) -> None:
    slug = texts["slug"]
    if not _SLUG.fullmatch(slug) or keyword.iskeyword(slug):
        raise ScaffoldError(
            f'"{slug}" cannot be a slug: use 2 to 50 lower-case letters, digits and underscores, a letter '
            "first (and no word that Python keeps for itself), such as nextech_cloud."
        )
    for what in ("name", "prefix"):
        if not _LABEL.fullmatch(texts[what]):
            raise ScaffoldError(f'"{texts[what]}" cannot be the {what}: use letters, digits and & + . - ( ).')
