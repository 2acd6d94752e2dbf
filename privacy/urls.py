"""Where the pages are. Everything below `privacy/`; whoever has no right sees nothing of it."""

from django.urls import URLPattern, URLResolver, include, path

from privacy.access import require_staff
from privacy.records import urls as records
from privacy.retention.urls import RETENTION
from privacy.views import (
    approvals,
    audit_log,
    certificate,
    consent,
    house,
    people,
    public,
    request_acts,
    request_page,
    work_list,
)

app_name = "privacy"

BY_LINK = [
    path("answer/<str:token>/", public.package, name="package"),
    path("proof/<str:token>/", public.proof, name="proof"),
    path("not-me/<str:token>/", public.not_me, name="not_me"),
    path("erased/<str:token>/", public.erased, name="erased"),
    path("erased/<str:token>/pdf/", public.erased_pdf, name="erased_pdf"),
]

OPEN_TO_ALL = [path("schema/<slug:name>.json", public.schema, name="schema")]

REQUEST = [
    path("", request_page.request_page, name="request"),
    path("steps/", request_page.steps, name="steps"),
    path("ask/", request_acts.ask, name="ask"),
    path("extend/", request_acts.extend, name="extend"),
    path("receipt/", request_acts.receipt, name="correct_receipt"),
    path("note/", request_acts.note, name="note"),
    path("close/", request_acts.close, name="close"),
    path("refuse/", request_acts.refuse, name="refuse_request"),
    path("rectify/", request_acts.rectify, name="rectify"),
    path("complete/", request_acts.complete, name="complete"),
    path("lift/", request_acts.lift, name="lift_restriction"),
    path("recipient/", request_acts.settle, name="settle_notice"),
    path("package/make/", request_acts.make, name="make_package"),
    path("package/progress/", request_page.package_progress, name="package_progress"),
    path("package/deliver/", request_acts.deliver, name="deliver_package"),
    path("package/second/", request_acts.ask_second, name="ask_without_code"),
    path("package/read/", request_acts.read, name="read_package"),
    path("erase/", request_page.confirm_erasure, name="confirm_erasure"),
    path("erase/now/", request_page.erase, name="erase"),
    path("erase/resume/", request_page.resume, name="resume_erasure"),
]

PERSON = [
    path("", people.person, name="person"),
    path("open/", people.open_, name="open_person"),
    path("shut/", people.shut, name="shut_person"),
    path("request/", work_list.new_request, name="enter_request"),
    path("link/<uuid:pk>/", people.link, name="link_person"),
    path("records/", consent.proof_file, {"form": "jsonld"}, name="consent_records"),
    path("consent/<uuid:record>/", consent.proof, name="consent_proof"),
    path("consent/<uuid:record>/zip/", consent.proof_file, {"form": "zip"}, name="consent_zip"),
    path("consent/<uuid:record>/pdf/", consent.proof_file, {"form": "pdf"}, name="consent_pdf"),
    path("consent/<uuid:record>/jws/", consent.proof_file, {"form": "jws"}, name="consent_jws"),
]

DESK: list[URLPattern | URLResolver] = [
    path("", require_staff(work_list.home), name="home"),
    path("requests/", work_list.work_list, name="requests"),
    path("requests/new/", work_list.new_request, name="new_request"),
    path("requests/<uuid:pk>/", include(REQUEST)),
    path("people/", people.find, name="people"),
    path("people/<uuid:subject>/", include(PERSON)),
    path("certificates/<uuid:pk>/", certificate.certificate, name="certificate"),
    path("certificates/<uuid:pk>/pdf/", certificate.certificate_pdf, name="certificate_pdf"),
    path("certificates/<uuid:pk>/json/", certificate.certificate_bytes, name="certificate_json"),
    path("approvals/", approvals.approvals, name="approvals"),
    path("approvals/<uuid:pk>/approve/", approvals.approve, name="approve"),
    path("approvals/<uuid:pk>/refuse/", approvals.refuse, name="refuse_approval"),
    path("audit/", audit_log.audit, name="audit"),
    path("audit/verify/", audit_log.audit_verify, name="audit_verify"),
    path("audit/reading/", audit_log.audit_reading, name="audit_reading"),
    path("audit/report/", audit_log.audit_report, name="audit_report"),
    path("audit/<uuid:pk>/", audit_log.audit_entry, name="audit_entry"),
    path("audit/<uuid:pk>/proof/", audit_log.audit_proof, name="audit_proof"),
    path("retention/", include(RETENTION)),
    path("controller/", house.controller, name="controller"),
    *records.DESK,
]

urlpatterns: list[URLPattern | URLResolver] = [
    path("privacy/", include([*BY_LINK, *OPEN_TO_ALL, *DESK]))
]
