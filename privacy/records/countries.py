"""Where data may go without a further instrument."""

# The European Union with Iceland, Liechtenstein and Norway: the GDPR is law in all of them.
_EEA = "AT BE BG CY CZ DE DK EE ES FI FR GR HR HU IE IS IT LI LT LU LV MT NL NO PL PT RO SE SI SK"
# Decisions of the Commission under Art. 45 GDPR that hold for whole countries (Canada: for
# commercial organisations). The USA are not here: only who is on the list of the framework.
_ADEQUATE = "AD AR CA CH FO GB GG IL IM JE JP KR NZ UY"
EEA = frozenset(_EEA.split())
ADEQUATE = frozenset(_ADEQUATE.split())


def stays_in_eea(country: str) -> bool:
    return country.upper() in EEA


def fits(country: str, transfer: str) -> bool:
    """Whether this instrument can be the one for this country."""
    if transfer == "none":
        return stays_in_eea(country)
    if transfer == "adequacy":
        return country.upper() in ADEQUATE
    return transfer != "dpf" or country.upper() == "US"
