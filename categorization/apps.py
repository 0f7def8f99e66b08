from django.apps import AppConfig


class CategorizationConfig(AppConfig):
    name = "categorization"
    verbose_name = "Appointment categories"

    def ready(self) -> None:
        from categorization import signals  # noqa: F401  (connects receivers)
