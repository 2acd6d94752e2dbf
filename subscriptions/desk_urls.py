"""The desk's pages about subscribers; mounted under /desk/."""

from django.urls import path

from subscriptions.desk_views import (
    imports,
    inbox,
    newsletters,
    offers,
    segments,
    subscribers,
    words,
)

ONE = "newsletters/<uuid:newsletter_id>/"

urlpatterns = [
    path("inbox/", inbox.inbox, name="inbox"),
    path("inbox/<uuid:reply_id>/answer/", inbox.answer, name="inbox_answer"),
    path("inbox/<uuid:reply_id>/handled/", inbox.handled, name="inbox_handled"),
    path("subscribers/", subscribers.subscribers, name="subscribers"),
    path("subscribers/export/", subscribers.export, name="subscribers_export"),
    path("segments/", segments.segments, name="segments"),
    path("segments/<uuid:segment_id>/", segments.segment, name="segment"),
    path("segments/<uuid:segment_id>/reach/", segments.segment_reach, name="segment_reach"),
    path("segments/<uuid:segment_id>/drop/", segments.drop_segment, name="segment_drop"),
    path("imports/", imports.imports, name="imports"),
    path("imports/new/", imports.new_import, name="import_new"),
    path("imports/<uuid:import_id>/", imports.one_import, name="import"),
    path("imports/<uuid:import_id>/report.csv", imports.report, name="import_report"),
    path("imports/<uuid:import_id>/progress/", imports.progress, name="import_progress"),
    path("imports/<uuid:import_id>/load/", imports.load, name="import_load"),
    path("imports/<uuid:import_id>/approve/", imports.approve, name="import_approve"),
    path("imports/<uuid:import_id>/reject/", imports.reject, name="import_reject"),
    path("newsletters/", newsletters.newsletters, name="newsletters"),
    path("newsletters/new/", newsletters.new_newsletter, name="newsletter_new"),
    path(ONE, newsletters.newsletter_settings, name="newsletter_settings"),
    path(ONE + "forms/", offers.forms, name="newsletter_forms"),
    path(ONE + "forms/<uuid:form_id>/decide/", offers.decide, name="newsletter_form_decide"),
    path(ONE + "forms/<uuid:form_id>/close/", offers.close, name="newsletter_form_close"),
    path(ONE + "page/", newsletters.sign_up, name="newsletter_sign_up"),
    path(ONE + "page.svg", newsletters.sign_up_qr, name="newsletter_page_qr"),
    path(ONE + "segments/new/", segments.new_segment, name="segment_new"),
    path(ONE + "count/", segments.audience_count, name="audience_count"),
    path(ONE + "topics/", words.topics, name="newsletter_topics"),
    path(ONE + "topics/<uuid:topic_id>/", words.topic, name="newsletter_topic"),
    path(ONE + "words/", words.keywords, name="newsletter_keywords"),
    path(ONE + "words/<int:keyword_id>/drop/", words.drop_keyword, name="newsletter_keyword_drop"),
    path("newsletters/texts/<uuid:proposal_id>/", words.proposal, name="newsletter_proposal"),
    path(ONE + "texts/", words.texts, name="newsletter_texts"),
    path(ONE + "texts/<slug:kind>/<slug:language>/", words.text, name="newsletter_text"),
]
