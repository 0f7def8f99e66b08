from django.apps import AppConfig


class IntegrationsConfig(AppConfig):
    name = "integrations"
    verbose_name = "Integrations"

    def ready(self) -> None:
        from categorization.engine import use
        from integrations import signals  # noqa: F401  (connects receivers)
        from integrations.sync.categories.answers import Answers

        use(Answers())
