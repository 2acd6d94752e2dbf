"""What we must be able to show: register, impact assessment, processors, breaches.

from privacy.records import ropa, dpia
"""

from typing import Any


def ropa(language: str) -> dict[str, Any]:
    """The register of Art. 30(1) GDPR as it would read now, in `language` ("de", "en")."""
    from privacy.records import documents

    return documents.as_data(documents.Kind.CONTROLLER, language)


def dpia(language: str) -> dict[str, Any]:
    """The draft of the impact assessment (Art. 35 GDPR) as it would read now."""
    from privacy.records import documents

    return documents.as_data(documents.Kind.ASSESSMENT, language)
