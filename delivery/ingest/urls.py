from django.urls import re_path

from delivery.ingest import views
from delivery.ingest.calls import BATCHES, SINGLE

app_name = "ingest"
urlpatterns = [
    # Segment's library for Java posts to /v1/import/, and a redirect would lose the body.
    re_path(rf"^(?P<method>{'|'.join(SINGLE + BATCHES)})/?$", views.ingest, name="ingest"),
]
