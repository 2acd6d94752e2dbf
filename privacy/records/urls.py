"""Addresses of records, processors, breaches and the suppression list; below `privacy/`."""

from django.urls import URLPattern, URLResolver, include, path

from privacy.views import incidents, records

RECORD = [
    path("", records.record, name="record"),
    path("store/", records.store_record, name="store_record"),
    path("<int:number>/", records.version, name="record_version"),
    path("<int:number>/<slug:language>/<slug:form>/", records.record_file, name="record_file"),
]

INCIDENT = [
    path("", incidents.incident, name="incident"),
    path("facts/", incidents.facts, name="incident_facts"),
    path("scope/", incidents.add_scope, name="incident_scope"),
    path("scope/<uuid:scope>/remove/", incidents.remove_scope, name="incident_scope_remove"),
    path("again/", incidents.list_again, name="incident_again"),
    path("decide/", incidents.decide, name="incident_decide"),
    path("reported/", incidents.reported, name="incident_reported"),
    path("report/<slug:language>/", incidents.report_file, name="incident_report"),
    path("tell/", incidents.tell, name="incident_tell"),
    path("close/", incidents.close, name="incident_close"),
]

DESK: list[URLPattern | URLResolver] = [
    path("records/", records.records, name="records"),
    path("records/texts/<slug:key>/", records.record_text, name="record_text"),
    path("records/terms/", records.legal_term, name="legal_term"),
    path("records/document/<slug:kind>/", include(RECORD)),
    path("processors/", records.processors, name="processors"),
    path("processors/new/", records.processor, name="new_processor"),
    path("processors/<uuid:pk>/", records.processor, name="processor"),
    path("processors/<uuid:pk>/end/", records.end, name="end_processor"),
    path("processors/<uuid:pk>/contract/", records.processor_contract, name="processor_contract"),
    path("incidents/", incidents.incident_list, name="incidents"),
    path("incidents/new/", incidents.new_incident, name="new_incident"),
    path("incidents/<uuid:pk>/", include(INCIDENT)),
    path("suppression/", records.suppression, name="suppression"),
    path("suppression/reviewed/", records.suppression_reviewed, name="suppression_reviewed"),
]
