"""Create, list and delete notes. Spans around requests come from the instrumentation; those in here are our own."""

import logging

from django.http import HttpResponseBadRequest
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_POST
from opentelemetry import metrics, trace

from notes.models import Note

logger = logging.getLogger(__name__)
tracer = trace.get_tracer(__name__)
request_count = metrics.get_meter(__name__).create_counter(
    "request_count", unit="{request}", description="Requests the notes application received."
)


def note_list(request):
    request_count.add(1, {"view": "list"})
    with tracer.start_as_current_span("note_list") as span:
        notes = list(Note.objects.all())
        span.set_attribute("notes.count", len(notes))
        logger.info("listed %d notes", len(notes))
    return render(request, "list.html", {"notes": notes})


@csrf_exempt  # An example that is driven with curl; a real form would keep its token.
@require_POST
def note_create(request):
    request_count.add(1, {"view": "create"})
    text = request.POST.get("text", "").strip()
    with tracer.start_as_current_span("note_create") as span:
        if not text or len(text) > 500:
            span.set_status(trace.StatusCode.ERROR, "a note has 1 to 500 characters")
            logger.warning("refused a note of %d characters", len(text))
            return HttpResponseBadRequest("a note has 1 to 500 characters\n")
        note = Note.objects.create(text=text)
        span.set_attributes({"note.id": note.id, "note.length": len(text)})
        logger.info("created note %d", note.id, extra={"note.id": note.id})
    return redirect("list")


@csrf_exempt
@require_POST
def note_delete(request, note_id):
    request_count.add(1, {"view": "delete"})
    with tracer.start_as_current_span("note_delete") as span:
        span.set_attribute("note.id", note_id)
        get_object_or_404(Note, id=note_id).delete()
        logger.info("deleted note %d", note_id, extra={"note.id": note_id})
    return redirect("list")
