"""Proof of consent for those outside: package, paper, receipt, and the check of them."""

from subscriptions.proof.bundle import package, pdf
from subscriptions.proof.receipts import receipt

__all__ = ["package", "pdf", "receipt"]
