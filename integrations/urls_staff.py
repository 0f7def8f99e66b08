"""Pages of the staff application beside the admin's own. They come before it: it takes whatever is left."""

from django.urls import URLPattern, path

from integrations.views import bulk, dashboard, sandbox, sandbox_creates

urlpatterns: list[URLPattern] = [
    path("dashboard/live/", dashboard.live_page, name="dashboard-live"),
    *bulk.urlpatterns,
    *sandbox.urlpatterns,
    *sandbox_creates.urlpatterns,
]
