"""The doors: one route takes every EMR's webhooks, one the CRM's."""

from django.urls import path

from integrations.views import webhooks

urlpatterns = [
    path("emr/<str:key>/", webhooks.emr, name="emr-webhook"),
    path("crm/<str:key>/", webhooks.crm, name="crm-webhook"),
]
