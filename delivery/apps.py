from django.apps import AppConfig


class DeliveryConfig(AppConfig):
    name = "delivery"
    verbose_name = "Delivery to Segment"

    def ready(self) -> None:
        from delivery import receivers
        from delivery.alerts import looking

        receivers.connect()
        looking.connect()
