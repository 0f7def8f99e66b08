"""Addresses of the spreadsheet pages, below /categories/."""

from django.urls import URLPattern, path

from categorization.spreadsheets import views

urlpatterns: list[URLPattern] = [
    path("<slug:slug>/export.xlsx", views.export_xlsx, name="categories-export"),
    path("<slug:slug>/export.csv", views.export_csv, name="categories-export-csv"),
    path("<slug:slug>/import/", views.import_page, name="categories-import"),
    path("<slug:slug>/import/confirm/", views.confirm_page, name="categories-import-confirm"),
    path("<slug:slug>/sheet/", views.sheet_page, name="categories-sheet"),
    path("<slug:slug>/sheet/read/", views.sheet_read_page, name="categories-sheet-read"),
]
