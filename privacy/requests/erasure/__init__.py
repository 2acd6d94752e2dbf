"""Erasure in six resumable steps, with a certificate at the end (Art. 17 GDPR)."""

from privacy.requests.erasure.replay import again

__all__ = ["again"]
