"""Withdrawals that are sentences, as patterns over folded words joined by single spaces.

STRONG ones are about our messages whatever else is said: with unknown words around them the bot
asks back. WEAK ones count only if nothing but their usual company is said ("Ich will keine mehr").
"""

import re
from collections.abc import Iterable

_PUSHES = (
    r"(?:newsletters?|newslettern|nachricht|nachrichten|news|mitteilungen|meldungen|infos?"
    r"|informationen|abos?|abonnements?|werbung|sms|e?mails?|push(?:es|nachrichten)?|whatsapps?"
    r"|messages?|texts?|emails?|alerts?|notifications?|spam|updates?|subscriptions?|posts|zusendungen|anrufe)"
)
_SENDING = r"(?:versand|zusendung|zusendungen|belieferung|nachrichtenversand)"
_LISTS = (
    r"(?:verteiler|verteilerliste|liste|mailingliste|mailverteiler|newsletter|kanal|abo"
    r"|abonnement|list|mailing list|chat|system|datenbank|database)"
)
_WRITING = (
    r"(?:schick(?:en|t|e)?|send(?:en|et|e)?|schreib(?:en|t|e)?|bekommen|erhalten|kriegen|horen"
    r"|empfangen|benachrichtig(?:en|t)|informier(?:en|t)|zu(?:schicken|senden)|haben|lesen)"
)


def _gap(words: int) -> str:
    """Up to so many other words, captured: they are weighed like all words around the phrase."""
    return rf"((?:\w+ ){{0,{words}}})"


STRONG = [
    rf"meld(?:e|et|en)? {_gap(4)}ab",
    rf"bestell(?:e|en|t)? {_gap(4)}ab",
    rf"trag(?:e|en|t)? (?:mich|uns|sie|mein\w*|bitte) {_gap(4)}aus",
    rf"(?:nimm|nehmt|nehmen|nehme|streich\w{{0,2}}|entfern\w{{0,2}}|losch\w{{0,2}}|werft|wirf"
    rf"|schmeisst|holt) {_gap(5)}{_LISTS}",
    rf"(?:mich|uns|nummer|adresse) {_gap(4)}{_LISTS} {_gap(2)}"
    r"(?:loschen|streichen|entfernen|nehmen|raus\w*|austragen)",
    rf"(?:aus|von|vom) {_gap(2)}{_LISTS} {_gap(2)}(?:loschen|streichen|entfernen|nehmen|raus\w*)",
    rf"kein(?:e|en|erlei)? {_gap(2)}{_PUSHES} (?:\w+ )?mehr",
    rf"kein(?:e|en|erlei)? (?:weiteren? |neuen? )?{_PUSHES}",
    rf"nicht mehr {_gap(1)}{_WRITING}",
    r"(?:entfern|streich)(?:e|en|t)? (?:sie )?(?:mich|uns|mein\w*)",
    rf"ni(?:chts?|x) {_gap(1)}mehr {_gap(2)}{_WRITING}",
    rf"(?:schreib|schick|send)(?:t|en|et|e)? {_gap(4)}ni(?:chts?|x) mehr",
    r"(?:lass|lasst|lassen) (?:sie )?(?:mich|uns) ((?:\w+ ){0,2})in (?:\w+ )?(?:ruhe?|frieden)",
    rf"(?:loschung|streichung|entfernung|austragung) {_gap(3)}{_LISTS}",
    rf"raus aus {_gap(2)}{_LISTS}",
    rf"(?:nehmt|nehmen|nimm) {_gap(3)}raus",
    rf"{_SENDING} {_gap(2)}(?:einstellen|abstellen|stoppen|beenden)",
    rf"stell(?:t|en|e)? {_gap(3)}{_SENDING} {_gap(1)}ein",
    rf"verzichte {_gap(3)}{_PUSHES}",
    r"remove (?:this|my) (?:number|email|address|phone)",
    rf"remove from {_gap(2)}list",
    r"leave me (?:\w+ )?alone",
    rf"no more {_gap(1)}{_PUSHES}",
    rf"(?:dont|do not|not|never|no longer) {_gap(3)}(?:send|sending|text|texting|message|messaging"
    r"|write|email|contact|contacting|receive|receiving|get|getting)",
    r"(?:take|remove|delete|get|drop|strike) (?:me|us|my \w+|this \w+) ((?:\w+ ){0,3})"
    r"(?:off|from|list|out)",
    r"(?:take|remove) me",
    r"opt(?:ing)? (?:me |us )?out",
    r"un subscribe",
    r"ab (?:melden|meldung|bestellen|bestellung)",
    rf"(?:cancel|end|quit|terminate|discontinue) {_gap(3)}{_PUSHES}",
    rf"(?:beend|kundig|storni|stopp)\w{{0,4}} {_gap(4)}{_PUSHES}",
    rf"{_PUSHES} {_gap(4)}(?:kundig\w*|beenden|stoppen|stop|stopp|storni\w*|cancel|ende|aus"
    r"|off|loschen)",
    r"(?:widerruf\w{0,2}|widersprech\w{0,2}|zuruckzieh\w{0,2}|withdraw|revoke|ziehe)"
    r" ((?:\w+ ){0,4})(?:einwilligung|zustimmung|erlaubnis|consent|permission|zusendung|nutzung"
    r"|einverstandnis)",
    r"(?:einwilligung|zustimmung|erlaubnis|einverstandnis|zusendung|consent) ((?:\w+ ){0,3})"
    r"(?:widerruf\w{0,2}|widersprech\w{0,2}|zuruck\w*)",
    r"deabonnier\w*",
    r"unsubscribing",
    r"widerruf\w{0,2}",
]
WEAK = [
    rf"kein(?:e|en|erlei)? {_gap(3)}mehr",
    rf"(?:will|mochte|wollen|mochten|wunsche|brauche|mag) {_gap(3)}ni(?:chts?|x) mehr",
    r"ni(?:chts|x) mehr",
    rf"(?:will|mochte) {_gap(2)}ruhe",
    r"entfernen",
    r"remove",
    r"(?:quit|end|cancel|stop) (?:this|it|that)",
    r"(?:want|like|need|wish) to (?:cancel|end|quit|leave)",
    r"i revoke",
    r"widerspreche",
    rf"(?:dont|do not|no longer|not) {_gap(2)}(?:want|need|wish)",
    r"(?:no longer|not) interested any ?(?:more|longer)",
    r"no longer interested",
    r"bin (?:\w+ )?raus",
    r"(?:will|mochte) (?:\w+ )?raus",
    r"(?:jetzt|nun) (?:\w+ )?schluss",
    r"schluss (?:jetzt|damit|nun)",
    r"i quit",
    r"want (?:to get |to be )?out",
    rf"(?:ich|mich|wir|uns|bitte) {_gap(3)}(?:kundigen|austragen|beenden)",
    r"hor(?:t|en)? ((?:\w+ ){0,2})auf",
    r"aufhoren",
    r"no more",
    r"stoppt",
    r"stoppe",
    r"sign (?:me )?off",
    rf"(?:cancel|end) {_gap(2)}(?:this|it|all|everything|service|dienst|abo)",
    r"kundige",
    r"beende",
    r"bestelle ((?:\w+ ){0,3})ab",
]
# Never certain, whatever surrounds them: they complain, and perhaps they mean to leave.
DOUBTFUL = [
    r"abgemeldet",
    r"abbestellt",
    r"unsubscribed",
    r"opted out",
    r"(?<=^ )stoppt?e?",
    r"kein interesse",
    r"(?:not|no) interest(?:ed)?",
    r"nicht interessiert",
    r"es reicht",
    r"jetzt reicht\w*",
    r"nervt",
    r"annoying",
    r"verpiss\w*",
    r"haut ab",
    r"fuck off",
    r"piss off",
    r"go away",
    r"raus",
    r"basta",
    r"enough",
    r"genug",
    r"desinteresse",
    r"storno",
    r"stornieren",
]


def compiled(patterns: list[str]) -> re.Pattern[str]:
    """All `patterns` as one, on whole words of what `spaced` gives.

    It begins with a space, so that nothing is tried but at the beginning of a word.
    """
    return re.compile(rf" (?:{'|'.join(patterns)})\b")


def spaced(words: Iterable[str]) -> str:
    """`words` with a space before each of them."""
    return " " + " ".join(words)
