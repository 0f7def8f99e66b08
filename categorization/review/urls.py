"""Addresses of the review pages. Those with fixed words come first: no practice is called so."""

from django.urls import path

from categorization.review import account_views, people_views, views

app_name = "review"
urlpatterns = [
    path("", views.home, name="home"),
    path("sign-in/", account_views.SignIn.as_view(), name="sign-in"),
    path("sign-out/", account_views.sign_out, name="sign-out"),
    path("forgotten/", account_views.forgotten, name="forgotten"),
    path("link/<str:token>/", account_views.link, name="link"),
    path("<slug:slug>/", views.types, name="types"),
    path("<slug:slug>/agree/", views.agree, name="agree"),
    path("<slug:slug>/sign-off/", views.sign_off, name="sign-off"),
    path("<slug:slug>/types/<int:pk>/", views.choose, name="choose"),
    path("<slug:slug>/undo/<int:pk>/", views.undo, name="undo"),
    path("<slug:slug>/invite/", people_views.invite, name="invite"),
    path("<slug:slug>/invite/<int:pk>/again/", people_views.again, name="invite-again"),
]
