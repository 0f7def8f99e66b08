"""Each step of the set-up has its heading in the guide, and its page leads there."""

import re

import pytest
from django.test import Client
from django.urls import reverse

from integrations.views.help_pages import anchor_of, page
from integrations.views.setup.pages import GUIDE
from integrations.views.setup.progress import STEPS

pytestmark = pytest.mark.django_db


def test_every_step_has_its_heading_in_the_guide() -> None:
    guide = page(GUIDE.removesuffix(".md"))
    assert guide is not None
    headings = {anchor_of(one.title) for one in guide.headings if one.level == 2}
    assert headings - {"practising"} == {slug for slug, *_ in STEPS}


def test_the_first_page_leads_to_the_guide(staff: Client) -> None:
    text = staff.get(reverse("setup-start")).content.decode()
    link = re.search(r'href="(/help/[^"]+)">What is this\?', text)
    assert link is not None
    address, _, anchor = link[1].partition("#")
    assert f'id="{anchor}"' in staff.get(address).content.decode()
