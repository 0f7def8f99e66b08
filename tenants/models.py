"""Who we work for: people, practices, who may do what in which practice, and the clinic sites."""

import zoneinfo
from functools import cached_property
from typing import Any

from django.contrib.auth.models import AbstractBaseUser, BaseUserManager, PermissionsMixin
from django.core.exceptions import ValidationError
from django.db import models
from django.utils import timezone
from simple_history.models import HistoricalRecords

from tenants.scoping import ScopedManager
from tenants.written_apart import WrittenApart

COUNTRIES = [
    ("US", "United States"),
    ("CA", "Canada"),
    ("GB", "United Kingdom"),
    ("AU", "Australia"),
    ("NZ", "New Zealand"),
]


# The review pages have these words in the place of a practice's.
RESERVED_SLUGS = frozenset({"sign-in", "sign-out", "forgotten", "link"})


def validate_slug(slug: str) -> None:
    """Raise ValidationError for a word that is an address of ours."""
    if slug in RESERVED_SLUGS:
        raise ValidationError(f'"{slug}" is an address of the review pages. Choose another one.')


def validate_time_zone(name: str) -> None:
    """Raise ValidationError unless ``name`` is an IANA time zone."""
    if name not in zoneinfo.available_timezones():
        raise ValidationError(f'"{name}" is not a time zone. Use a name such as America/New_York.')


class Role(models.TextChoices):
    ADMINISTRATOR = "administrator", "Administrator"
    ONBOARDING = "onboarding", "Onboarding specialist"
    SUPPORT = "support", "Support agent"
    REVIEWER = "reviewer", "Practice reviewer"


class UserManager(BaseUserManager["User"]):
    """Makes people; the e-mail address is the sign-in and compares without case."""

    def create_user(self, email: str, password: str | None = None, **extra: Any) -> "User":
        """A person. Raises ValueError without an e-mail address."""
        if not email:
            raise ValueError("A person needs an e-mail address to sign in.")
        user = self.model(email=email.strip().lower(), **extra)
        user.set_password(password)
        user.save(using=self._db)
        return user

    def create_superuser(self, email: str, password: str | None = None, **extra: Any) -> "User":
        """A person who may do everything in every practice."""
        return self.create_user(email, password, is_staff=True, is_superuser=True, **extra)

    def get_by_natural_key(self, username: str | None) -> "User":
        return self.get(email=(username or "").strip().lower())


class User(AbstractBaseUser, PermissionsMixin):
    """A person who signs in by e-mail: company staff, or somebody of one practice."""

    email = models.EmailField("e-mail", unique=True)
    name = models.CharField(max_length=150, blank=True)
    is_staff = models.BooleanField("may open the staff application", default=False)
    is_active = models.BooleanField(default=True)
    company_role = models.CharField(
        "role in every practice",
        max_length=20,
        choices=[choice for choice in Role.choices if choice[0] != Role.REVIEWER],
        blank=True,
        help_text="For company staff. People of a practice get their role under that practice instead.",
    )
    date_joined = models.DateTimeField(default=timezone.now)

    USERNAME_FIELD = "email"
    REQUIRED_FIELDS = []
    objects = UserManager()

    class Meta:
        ordering = ["email"]

    def __str__(self) -> str:
        return self.name or self.email

    def clean(self) -> None:
        super().clean()
        self.email = self.email.strip().lower()

    @property
    def sees_every_practice(self) -> bool:
        return self.is_active and (self.is_superuser or bool(self.company_role))

    @cached_property
    def _roles(self) -> dict[int, str]:
        return dict(
            Membership.objects.across_practices().filter(user=self).values_list("practice_id", "role")
        )

    def practice_ids(self) -> list[int]:
        """Ids of the practices in which this person has a role of their own."""
        return list(self._roles) if self.is_active else []

    def role_in(self, practice: "Practice | int | None") -> str:
        """The role that counts in a practice, "" for none; superusers are administrators everywhere."""
        if not self.is_active:
            return ""
        if self.is_superuser:
            return Role.ADMINISTRATOR
        practice_id = practice.pk if isinstance(practice, Practice) else practice
        own = self._roles.get(practice_id, "") if practice_id is not None else ""
        return self.company_role or own

    def has_role(self, *roles: str, practice: "Practice | int | None" = None) -> bool:
        """Whether one of ``roles`` is held in ``practice``, or, without one, anywhere."""
        if practice is not None:
            return self.role_in(practice) in roles
        return self.is_active and (
            self.role_in(None) in roles or bool(set(self._roles.values()) & set(roles))
        )

    # The admin asks these two; what a role may do is decided by the admin classes from the role.
    def has_module_perms(self, app_label: str) -> bool:
        return self.is_active and self.is_staff

    def has_perm(self, perm: str, obj: Any = None) -> bool:
        return self.is_active and (self.is_superuser or super().has_perm(perm, obj))


class PracticeKind(models.TextChoices):
    PLASTIC_SURGERY = "plastic_surgery", "Plastic surgery"
    MED_SPA = "med_spa", "Med spa"
    BOTH = "plastic_surgery_med_spa", "Plastic surgery and med spa"


class PracticeState(models.TextChoices):
    ONBOARDING = "onboarding", "Onboarding"
    LIVE = "live", "Live"
    PAUSED = "paused", "Paused"


class Practice(WrittenApart):
    """The tenant. ``config_version`` rises with every change of its set-up, so workers know to read it again."""

    practice_path = "pk"
    written_apart = frozenset({"config_version"})

    slug = models.SlugField(unique=True, validators=[validate_slug])
    name = models.CharField(max_length=200)
    kind = models.CharField(max_length=30, choices=PracticeKind.choices)
    country = models.CharField(max_length=2, choices=COUNTRIES, default="US")
    time_zone = models.CharField(max_length=64, default="America/New_York", validators=[validate_time_zone])
    state = models.CharField(max_length=20, choices=PracticeState.choices, default=PracticeState.ONBOARDING)
    live_reason = models.TextField("why it went live before every check was green", blank=True)
    live_at = models.DateTimeField(null=True, blank=True)
    live_by = models.ForeignKey(User, models.SET_NULL, null=True, blank=True, related_name="+")
    config_version = models.PositiveIntegerField(default=1, editable=False)
    created_at = models.DateTimeField(auto_now_add=True)

    objects = ScopedManager()
    history = HistoricalRecords(excluded_fields=["config_version"])

    class Meta:
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name

    @property
    def has_surgery(self) -> bool:
        """Whether appointments are routed to a surgical and a non-surgical pipeline."""
        return self.kind != PracticeKind.MED_SPA


class Membership(models.Model):
    """A person's role in one practice."""

    practice = models.ForeignKey(Practice, models.CASCADE, related_name="memberships")
    user = models.ForeignKey(User, models.CASCADE, related_name="memberships")
    role = models.CharField(max_length=20, choices=Role.choices)

    objects = ScopedManager()
    history = HistoricalRecords()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["practice", "user"], name="one_role_per_practice")]
        ordering = ["practice", "user"]

    def __str__(self) -> str:
        return f"{self.user}: {self.get_role_display()}"


class Location(models.Model):
    """A clinic site as the EMR knows it. Its time zone decides on which day a visit falls."""

    practice = models.ForeignKey(Practice, models.CASCADE, related_name="locations")
    external_id = models.CharField("EMR location or facility id", max_length=100)
    name = models.CharField(max_length=200)
    time_zone = models.CharField(
        max_length=64,
        blank=True,
        validators=[validate_time_zone],
        help_text="Empty: the practice's time zone.",
    )

    objects = ScopedManager()
    history = HistoricalRecords()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["practice", "external_id"], name="location_id_in_practice")
        ]
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name
