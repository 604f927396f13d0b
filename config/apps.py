from django.apps import AppConfig


class ProjectConfig(AppConfig):
    name = "config"
    verbose_name = "Headwater"

    def ready(self) -> None:
        from config import celery  # noqa: F401  # makes it the current app of this process
