"""The real webhook door and, beside it, a bare view that inserts one row: the same server, the same run."""

import json
import uuid

from django.contrib.sessions.models import Session
from django.http import HttpRequest, JsonResponse
from django.urls import include, path
from django.utils import timezone
from django.views.decorators.csrf import csrf_exempt


@csrf_exempt
def bare(request: HttpRequest) -> JsonResponse:
    """Parse a JSON body and insert it as one row, as a first tutorial would."""
    body = json.loads(request.body)
    key = uuid.uuid4().hex
    Session.objects.create(session_key=key, session_data=json.dumps(body), expire_date=timezone.now())
    return JsonResponse({"event": key}, status=202)


urlpatterns = [path("webhooks/", include("integrations.urls")), path("bare/", bare)]
