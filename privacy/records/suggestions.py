"""What is publicly known about the providers of messengers, to begin a profile with.

State: November 2026, from the providers' own terms and documentation. Nobody's contract is known
here: whoever fills in a profile checks each line against their own. Keyed by a messenger's kind;
for kinds that have no adapter yet, too.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from django.utils.translation import gettext_lazy as _

from privacy.models import Processor

if TYPE_CHECKING:
    from django_stubs_ext import StrOrPromise

Role, Transfer = Processor.Role, Processor.Transfer


@dataclass(frozen=True)
class Suggestion:
    """The fields of a profile as far as they are known, and what to beware of."""

    name: str = ""
    role: str = ""
    country: str = ""
    transfer: str = ""
    contract: "StrOrPromise" = ""
    sub_processors: "StrOrPromise" = ""
    retention: "StrOrPromise" = ""
    warning: "StrOrPromise" = ""
    hint: "StrOrPromise" = ""


_OWN = _("as long as the demo runs; nothing leaves this machine")
_LEGAL_CHECK = _("Have this checked by a lawyer before you use it.")

SUGGESTIONS: dict[str, Suggestion] = {
    "simulator": Suggestion(
        role=Role.OURSELVES,
        country="DE",
        transfer=Transfer.NONE,
        retention=_OWN,
        sub_processors=_("none"),
        hint=_("The simulator is part of this house: name your own publishing house."),
    ),
    "email": Suggestion(
        role=Role.OURSELVES,
        country="DE",
        transfer=Transfer.NONE,
        retention=_("queue and log of the mail server, 7 days at most"),
        sub_processors=_("none"),
        hint=_(
            "This is for a mail server of your own. With a relay or mail provider, name that"
            " company, its country and your contract (Art. 28 GDPR)."
        ),
    ),
    "whatsapp": Suggestion(
        name="WhatsApp Ireland Limited (Meta)",
        role=Role.PROCESSOR,
        country="US",
        transfer=Transfer.DPF,
        contract=_("WhatsApp Business Data Processing Terms"),
        sub_processors=_("companies of the Meta group; see the list in the terms"),
        retention=_(
            "messages up to 30 days; with “No Storage” one hour at most; with “Local Storage” in"
            " the chosen country"
        ),
        warning=_(
            "Meta is the processor of the Cloud API: end-to-end encryption ends there. By default"
            " messages are stored in the USA for up to 30 days, unless local storage in the EU was"
            " switched on for the number before it was registered. Metadata reach the USA in any"
            " case, and a contact book of telephone numbers is kept unless it is switched off."
        ),
        hint=_(
            "Note which storage was chosen for the number, and whether the contact book is off."
        ),
    ),
    "telegram": Suggestion(
        name="Telegram",
        role=Role.CONTROLLER,
        country="AE",
        transfer=Transfer.MISSING,
        contract=_("none offered: standard privacy policy for bots"),
        sub_processors=_("not known"),
        retention=_("chats stay in Telegram's cloud until the person deletes them"),
        warning=_(
            "No adequacy decision and no processing agreement are known for Telegram. It acts as a"
            " controller of its own, outside the EEA; chats with bots are not end-to-end encrypted."
            " Data of people in the EEA are said to be kept in the Netherlands."
        ),
    ),
    "threema": Suggestion(
        name="Threema GmbH",
        role=Role.PROCESSOR,
        country="CH",
        transfer=Transfer.ADEQUACY,
        contract=_("processing agreement with the terms of the Threema Gateway"),
        sub_processors=_("own servers in Swiss data centres"),
        retention=_("until delivery, 14 days at most; check it in the agreement"),
        hint=_(
            "Switzerland is adequate (Commission decision 2000/518/EC). In end-to-end mode Threema"
            " cannot read what is sent; in basic mode it sees the text for a moment."
        ),
    ),
    "seven": Suggestion(
        name="seven communications GmbH & Co. KG",
        role=Role.PROCESSOR,
        country="DE",
        transfer=Transfer.NONE,
        contract=_("processing agreement (AVV)"),
        sub_processors=_("the mobile networks that deliver, as telecommunications providers"),
        retention=_("as agreed; check it in the agreement"),
    ),
    "twilio": Suggestion(
        name="Twilio Inc.",
        role=Role.PROCESSOR,
        country="US",
        transfer=Transfer.DPF,
        contract=_("Data Protection Addendum, part of the terms"),
        sub_processors=_("see Twilio's public list; mobile networks that deliver"),
        retention=_("as set in the account: content can be discarded, addresses obfuscated"),
        warning=_(
            "Processing in the USA unless the region Ireland is used, which does not cover every"
            " product. Standard clauses and binding corporate rules are part of the contract in"
            " case the framework falls."
        ),
    ),
    "matrix": Suggestion(
        role=Role.OURSELVES,
        country="DE",
        transfer=Transfer.NONE,
        sub_processors=_("none"),
        retention=_("as set on your own homeserver"),
        warning=_(
            "Messages are copied to the homeserver that the person has chosen, anywhere in the"
            " world; erasing them there is a request, not a certainty."
        ),
        hint=_("This is for a homeserver of your own; otherwise name its provider."),
    ),
    "messenger": Suggestion(
        name="Meta Platforms Ireland Limited",
        role=Role.CONTROLLER,
        country="IE",
        transfer=Transfer.NONE,
        retention=_("as Meta's terms say"),
        warning=_(
            "Meta's role depends on the product (controller of its own, or joint); no processing"
            " agreement like that of the WhatsApp Cloud API is known. Processing in the USA is"
            " possible."
        ),
        hint=_LEGAL_CHECK,
    ),
    "slack": Suggestion(
        name="Slack Technologies Limited (Salesforce)",
        role=Role.PROCESSOR,
        country="US",
        transfer=Transfer.DPF,
        contract=_("Data Processing Addendum"),
        sub_processors=_("see the public list"),
        retention=_("as set in the workspace"),
        warning=_("Storage in the EU depends on the plan; otherwise data are kept in the USA."),
    ),
    "rcs": Suggestion(
        name="Google Ireland Limited",
        role=Role.PROCESSOR,
        country="IE",
        transfer=Transfer.NONE,
        contract=_("terms of RCS for Business, or of the aggregator"),
        sub_processors=_("the mobile networks that deliver; the aggregator, if there is one"),
        retention=_("as agreed; check it in the agreement"),
        warning=_("Not end-to-end encrypted. Use the European host, otherwise data leave the EU."),
    ),
    "viber": Suggestion(
        name="Viber Media S.à r.l.",
        role=Role.CONTROLLER,
        country="LU",
        transfer=Transfer.NONE,
        retention=_("as Viber's terms say"),
        warning=_("Chats with bots are not end-to-end encrypted."),
        hint=_LEGAL_CHECK,
    ),
    "signal": Suggestion(
        name="Signal Messenger LLC",
        role=Role.CONTROLLER,
        country="US",
        transfer=Transfer.MISSING,
        contract=_("none offered"),
        retention=_("until delivery; end-to-end encrypted"),
        warning=_(
            "There is no official interface for publishers, no contract and no instrument for the"
            " transfer to the USA; Signal's terms forbid unsolicited bulk messages."
        ),
    ),
}


def suggestion_for(kind: str) -> Suggestion:
    """What is known about messengers of this kind; empty where nothing is."""
    return SUGGESTIONS.get(kind, Suggestion())
