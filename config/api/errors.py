"""One shape for every refusal: a code for programs, a sentence for people, the field if any."""

from typing import Any

from django.core.exceptions import PermissionDenied as DjangoDenied
from django.http import Http404
from rest_framework import status
from rest_framework.exceptions import APIException, ErrorDetail, ValidationError
from rest_framework.response import Response
from rest_framework.views import exception_handler, set_rollback

from broadcasts.errors import BroadcastError, ContentRefused
from messengers.problems import explain
from privacy.requests.errors import RequestError


class Conflict(APIException):
    """The object is not in a state that allows this."""

    status_code = status.HTTP_409_CONFLICT
    default_detail = "This is not possible just now."
    default_code = "conflict"


def handle(error: Exception, context: dict[str, Any]) -> Response | None:
    """Turn what the domain raises into an answer; None leaves it to Django (a plain 500)."""
    if isinstance(error, BroadcastError):
        return _refused(error.code, str(error), problems=_problems(error))
    if isinstance(error, RequestError):
        return _refused("request_refused", str(error))
    response = exception_handler(error, context)
    if response is None:
        return None
    if isinstance(error, ValidationError):
        response.data = {"code": "invalid", "message": "See errors.", "errors": response.data}
    else:
        response.data = _said(error, response)
    return response


def _said(error: Exception, response: Response) -> dict[str, Any]:
    detail = getattr(error, "detail", None)
    if isinstance(error, Http404):
        return {"code": "not_found", "message": "There is no such object, or you may not see it."}
    if isinstance(error, DjangoDenied):
        return {"code": "permission_denied", "message": "This token lacks the right for that."}
    code = detail.code if isinstance(detail, ErrorDetail) else "refused"
    return {"code": code, "message": str(detail or response.status_text)}


def _refused(code: str, message: str, **more: Any) -> Response:
    set_rollback()
    body = {"code": code, "message": message} | {k: v for k, v in more.items() if v}
    return Response(body, status=status.HTTP_409_CONFLICT)


def _problems(error: BroadcastError) -> list[dict[str, str]]:
    if not isinstance(error, ContentRefused):
        return []
    return [
        {
            "channel": label,
            "field": problem.field,
            "code": problem.code,
            "message": explain(problem),
        }
        for label, problem in error.problems
    ]
