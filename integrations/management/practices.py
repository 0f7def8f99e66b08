"""The practice that a command is told to work on."""

from django.core.management.base import OutputWrapper

from integrations.practice_file.problems import meant
from tenants.models import Practice


def practice_or_stop(slug: str, stderr: OutputWrapper) -> Practice:
    """The practice of that slug; without one, says which are known and ends with exit code 1."""
    practices = Practice.objects.across_practices()
    found: Practice | None = practices.filter(slug=slug).first()
    if found is None:
        known = practices.order_by("slug").values_list("slug", flat=True)
        stderr.write(f'There is no practice "{slug}"{meant(slug, known)}')
        raise SystemExit(1)
    return found
