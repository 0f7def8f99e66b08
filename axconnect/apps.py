from django.apps import AppConfig


class AxConnectConfig(AppConfig):
    name = "axconnect"
    verbose_name = "AX Connect"

    def ready(self) -> None:
        from axconnect import checks  # noqa: F401  (registers the checks)
