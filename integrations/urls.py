"""The doors: one route takes every EMR's webhooks, one a sub-account's workflows, one the CRM's app."""

from django.urls import path

from integrations.views import crm_app, webhooks

urlpatterns = [
    path("emr/<str:key>/", webhooks.emr, name="emr-webhook"),
    path("crm/app/", crm_app.app, name="crm-app-webhook"),
    path("crm/<str:key>/", webhooks.crm, name="crm-webhook"),
]
