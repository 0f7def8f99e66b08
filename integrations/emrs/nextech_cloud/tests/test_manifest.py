"""What the declaration leads to where it depends on the practice."""

import pytest

from integrations.contract.manifest import DataType
from integrations.emrs.nextech_cloud.client import CAPABILITIES, RESOURCES
from integrations.emrs.nextech_cloud.manifest import MANIFEST


@pytest.mark.parametrize(
    ("kind", "is_on"),
    [("med_spa", True), ("plastic_surgery", False), ("plastic_surgery_med_spa", False), ("", False)],
)
def test_payments_are_read_at_a_med_spa_and_not_where_there_is_surgery(kind, is_on):
    assert MANIFEST.switch_defaults(kind)["payments"] is is_on


def test_no_other_default_depends_on_the_kind_of_practice():
    med_spa, surgery = MANIFEST.switch_defaults("med_spa"), MANIFEST.switch_defaults("plastic_surgery")
    assert {name for name in med_spa if med_spa[name] != surgery[name]} == {"payments"}


def test_the_location_for_new_patients_is_a_field_of_practices_with_several_locations():
    one = {field.name for field in MANIFEST.fields_for(several_locations=False)}
    several = {field.name for field in MANIFEST.fields_for(several_locations=True)}
    assert several - one == {"NXT Create Location"}
    assert len(one) == 11


def test_every_date_is_a_date_field():
    dates = {field.name for field in MANIFEST.fields if field.data_type is DataType.DATE}
    assert dates == {"NXT Appointment Date", "NXT Last Payment Date", "NXT Birthday"}


def test_every_resource_makes_a_declared_event_and_payments_need_their_switch():
    assert [resource.event_kind for resource in RESOURCES] == [kind.name for kind in MANIFEST.events]
    assert [resource.needs_switch for resource in RESOURCES] == ["", "", "payments"]
    switches = {switch.name for switch in MANIFEST.switches} | {""}
    assert {resource.needs_switch for resource in RESOURCES} <= switches


def test_every_resource_can_be_tried_by_its_name_and_only_appointments_have_a_day():
    assert {resource.name for resource in RESOURCES} < {one.name for one in CAPABILITIES}
    assert [resource.name for resource in RESOURCES if resource.has_dates] == ["appointments"]
