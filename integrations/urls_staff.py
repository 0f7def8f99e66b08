"""Pages of the staff application beside the admin's own. They come before it: it takes whatever is left."""

from django.urls import URLPattern, path

from integrations.views import (
    attention_done,
    bulk,
    dashboard,
    help,
    sandbox,
    sandbox_creates,
    sandbox_rehearsals,
    setup,
)

urlpatterns: list[URLPattern] = [
    path("dashboard/live/", dashboard.live_page, name="dashboard-live"),
    *attention_done.urlpatterns,
    *help.urlpatterns,
    *bulk.urlpatterns,
    *sandbox.urlpatterns,
    *sandbox_creates.urlpatterns,
    *sandbox_rehearsals.urlpatterns,
    *setup.urlpatterns,
]
