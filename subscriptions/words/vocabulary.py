"""The words themselves: defaults for every newsletter, and the company a withdrawal may keep.

An editor adds keywords as rows (`subscriptions.Keyword`); nobody can take one of these away,
because a subscriber must never need to know how a newsroom has set up its list.
Everything is written here as people write it and folded when the module is loaded.
"""

from enum import StrEnum

from subscriptions.words.fold import skeleton


class Intent(StrEnum):
    """What a message from a subscriber asks for."""

    START = "start"
    YES = "yes"
    NO = "no"
    STOP = "stop"
    STOP_TOPIC = "stop_topic"
    TOPICS = "topics"
    HELP = "help"
    ACCESS = "access"
    ERASURE = "erasure"
    ASK_STOP = "ask_stop"  # perhaps a withdrawal: ask back, withdraw nobody
    NONE = "none"  # a text for the editors


# (intent, language) -> what means it when it is the whole message. Comma separated.
_DEFAULTS = {
    (Intent.START, "de"): "START, STARTEN, ANMELDEN, ANMELDUNG, ABONNIEREN",
    (Intent.START, "en"): "SUBSCRIBE, SIGN UP, SIGNUP, JOIN",
    (Intent.YES, "de"): "JA",
    (Intent.YES, "en"): "YES",
    (Intent.NO, "de"): "NEIN",
    (Intent.NO, "en"): "NO",
    (Intent.STOP, "de"): (
        "STOP, STOPP, STOPPEN, ABMELDEN, ABMELDUNG, ABBESTELLEN, ABBESTELLUNG, KÜNDIGEN, "
        "KÜNDIGUNG, AUSTRAGEN, DEABONNIEREN, BEENDEN, SCHLUSS, ENDE, AUS, HALT, WIDERRUF, "
        "WIDERRUFEN, WIDERSPRUCH"
    ),
    (Intent.STOP, "en"): (
        "UNSUBSCRIBE, UNSUB, STOP ALL, STOPALL, OPT OUT, OPTOUT, QUIT, REVOKE, CANCEL, END, стоп"
    ),
    (Intent.TOPICS, "de"): "THEMEN, THEMA, MEINE THEMEN, EINSTELLUNGEN",
    (Intent.TOPICS, "en"): "TOPICS, TOPIC, MY TOPICS, SETTINGS, PREFERENCES",
    (Intent.HELP, "de"): "HILFE, MENÜ",
    (Intent.HELP, "en"): "HELP, INFO, MENU, COMMANDS",
    (Intent.ACCESS, "de"): (
        "AUSKUNFT, DATEN, MEINE DATEN, DATENAUSKUNFT, SELBSTAUSKUNFT, DSGVO AUSKUNFT"
    ),
    (Intent.ACCESS, "en"): "DATA, MY DATA, ACCESS, ACCESS MY DATA, EXPORT MY DATA",
    (Intent.ERASURE, "de"): (
        "LÖSCHEN, LÖSCHUNG, DATEN LÖSCHEN, MEINE DATEN LÖSCHEN, LÖSCHE MEINE DATEN, "
        "LÖSCHT MEINE DATEN, LÖSCHEN SIE MEINE DATEN, ALLES LÖSCHEN, ALLE DATEN LÖSCHEN, "
        "ALLE MEINE DATEN LÖSCHEN, DATENLÖSCHUNG, KONTO LÖSCHEN, MEIN KONTO LÖSCHEN, "
        "MEINE NUMMER LÖSCHEN, LÖSCHE MEINE NUMMER, LÖSCHT MEINE NUMMER, "
        "MEINE TELEFONNUMMER LÖSCHEN, LÖSCHT MICH, LÖSCHE MICH"
    ),
    (Intent.ERASURE, "en"): (
        "DELETE, ERASE, DELETE MY DATA, ERASE MY DATA, DELETE ALL MY DATA, FORGET ME, "
        "DELETE EVERYTHING, DELETE MY ACCOUNT, DELETE DATA, "
        "DELETE ME, DELETE MY NUMBER, DELETE ACCOUNT"
    ),
}

DEFAULTS: dict[tuple[Intent, str], tuple[str, ...]] = {
    key: tuple(word.strip() for word in words.split(",")) for key, words in _DEFAULTS.items()
}


def _set(text: str) -> frozenset[str]:
    return frozenset(skeleton(text).split())


def _phrases(text: str) -> tuple[tuple[str, ...], ...]:
    """Comma separated phrases as tuples of words, the longest first."""
    made = {tuple(skeleton(phrase).split()) for phrase in text.split(",")}
    return tuple(sorted(made, key=len, reverse=True))


# Ordinary German and English words too: withdrawals only when nothing else is said.
WHOLE_MESSAGE_ONLY = _set(
    "AUS END ENDE CANCEL HALT SCHLUSS QUIT REVOKE BEENDEN AUSTRAGEN KÜNDIGEN KÜNDIGUNG"
)

EVERYDAY = _set("STOP STOPP STOPPEN")

# One of these with a slip of the finger still counts, if at least MIN_TYPED letters were typed.
TYPED_WITH_SLIPS = _set(
    "STOP STOPP STOPPEN ABMELDEN ABMELDUNG ABBESTELLEN ABBESTELLUNG KÜNDIGEN KÜNDIGUNG "
    "AUSTRAGEN DEABONNIEREN UNSUBSCRIBE OPTOUT STOPALL"
)
MIN_TYPED = 4

# One letter away from a withdrawal, and words of their own.
ORDINARY = _set(
    """
    step steps stepp steppen shop shops shopping shoppen stoß stoss top tops topp stock stocks stoff
    stoffe stomp stoop stow stob stoppt stopft stopfen stopper stopps stops strop slop swop sop sopp
    atop spot post stoppe stoppel stoppeln stopfe schoppen stoppuhr stopover nonstop toppen topped
    tippen steppe ston stoa stroh stopped stupp stups stipp stippen schopp anmelden anmeldung
    ummelden ummeldung einmelden aufmelden abmelken abgemeldet abwenden abmeldet abmeldungen
    bestellen bestellung anbestellen nachbestellen abbestellt umbestellen vorbestellen ankündigen
    ankündigung kundigen kundige kundigem kundiger kundiges fündigen sündigen sündige mündigen
    mündige kündigt kündigte bündigen pfündigen kündigungen auftragen austauschen austragend
    austragender beitragen antragen eintragen austrage ausfragen aussagen ausragen ausschlagen
    austraten vortragen subscribe subscriber unsubscribed unsubscribes abonnieren abonnierten layout
    output cutout dropout optik"""
)

# Said out of politeness: such words and phrases change nothing in what is asked.
POLITE_PHRASES = _phrases(
    """guten morgen, sign up, guten tag, guten abend, schönen tag, schönen tag noch,
    schönen abend, schönes wochenende, vielen dank, vielen lieben dank, besten dank,
    herzlichen dank, danke schön, danke
    sehr, danke im voraus, vielen dank im voraus, bitte schön, bitte sehr, sehr geehrte damen und
    herren, sehr geehrtes team, sehr geehrte redaktion, mit freundlichen grüßen, freundliche grüße,
    viele grüße, liebe grüße, beste grüße, schöne grüße, beste grüsse, grüße aus, liebe grüße aus,
    viele grüße aus, schöne grüße aus, thank you, thank you very much, thanks a lot, many thanks,
    thanks in advance, good morning, good evening, kind regards, best regards, dear sir or madam,
    dear team, dear editors, dear all, to whom it may concern, so long, all the best, tut mir leid,
    es tut mir leid, nichts für ungut, no offense, no offence, no hard feelings, nimm es nicht
    persönlich, nehmt es nicht persönlich"""
)
POLITE_WORDS = _set(
    """bitte danke dank merci dankeschön dankesehr hallo hi hey moin servus grüezi grüß gruß grüße
    gruss grüsse mfg lg vg tschüss tschüß ciao please pls plz kindly thanks thank thx ty cheers
    hello dear bye goodbye sorry entschuldigung liebe lieber liebes leute team redaktion
    freundlichst höflichst"""
)

# What people say around a withdrawal. A message made only of these and a withdrawal withdraws.
COMPANY = _set(
    """
    um nix gegen daten data done würden anschreiben belästigen stören anschreibt frieden ruhe
    versand zusendung ein mag raus weiteres sonst irgendwas leave bock
    ich mich mir mein meine meinen meiner meinem wir uns unsere du dich dir ihr euch euer eure euren
    sie ihnen ihre ihren ihrem ihrer i im me my mine we us our you your yours he it its id möchte
    möcht will wollen würde wünsche wünschen würd gern gerne kann können könnten könnt könntet
    könnte könntest kannst hiermit hier jetzt sofort umgehend ab nun dann endlich bald schnell
    direkt heute einfach nur mal doch so auch wieder weiter weitere weiteren weiterer weiterhin mehr
    nie niemals nicht nichts kein keine keinen keinerlei genug zu viel viele zuviel voll total echt
    wirklich ganz völlig gar überhaupt von vom an aus auf für in und oder als per über mit bei aller
    alle allen alles komplett vollständig dauerhaft ist es reicht nervt nerven nervig lästig langsam
    interesse interessiert desinteresse bedarf habe hab der die das den dem des ein eine einen einer
    einem dieser diese diesen dieses diesem dies newsletter newslettern newsletters nachricht
    nachrichten news mitteilung mitteilungen meldung meldungen info infos informationen abo abos
    abonnement abonnements dienst service verteiler verteilerliste liste mailingliste mailverteiler
    kanal kanäle chat bot whatsapp telegram threema signal messenger sms mail mails email emails e
    push pushs pushes pushnachrichten pushnachricht werbung spam kram zeug mist scheiß scheiss
    scheiße scheisse scheißdreck dreck quatsch newsfeed feed update updates handy nummer
    telefonnummer handynummer adresse mailadresse emailadresse konto account profil schicken schickt
    senden sendet sende schreiben schreibt bekommen erhalten kriegen haben lesen hören lassen lasst
    bitten bitte wünscht beenden stoppen stop stopp stops abmelden abbestellen unsubscribe quit end
    ende cancel would like want wanna wish need to do dont not no never any anymore more longer
    further receive receiving get getting send sending sent text texts texting messaging message
    messages msg msgs notification notifications alert alerts mailing mailings list lists
    subscription subscriptions all everything everyone this that these those the a and or of from on
    off out at now immediately asap right away today again just already here with for be being am is
    are can could ill ive had have has enough annoying junk shit crap bullshit fucking fuck damn
    stuff thing things phone number address whatever totally completely permanently ever interested
    uninterested much too many way ja nein yes ok okay okey stimmt hereby writing emailing bothering
    spamming contacting notifying write contact notify bother schreib schick benachrichtigen
    informieren empfangen informiert benachrichtigt zusenden zuschicken zugesendet zugeschickt
    einwilligung zustimmung erlaubnis consent permission widerrufe widerrufen widerspreche nutzung
    verarbeitung weil zurück zurückziehen aber anything something nothing bekomme bekam erhalte
    kriege kriegt bestätigen confirm erwünscht gewünscht weg raus hätte else signed up did lust
    damit dass that's sein bin because since deshalb daher darum somit bloß sag sage sagt gesagt
    said say says ganze ganzen whole damned verdammt verdammte verdammten verdammter"""
)

# No ordinary use at all: as the first of at most MAX_SHORT words they need no company.
UNMISTAKABLE = _set("UNSUBSCRIBE UNSUB OPTOUT DEABONNIEREN STOPALL")
MAX_SHORT = 4
# Rules about phrases read messages of up to so many words; behind that, they only ask back.
MAX_PHRASED = 25

# A question is no withdrawal, even if it is about one.
ASKING = _set(
    """wie wo wann warum weshalb wieso wohin womit wodurch welche welcher welches wer was how where
    when why which who what"""
)
ASKING_PHRASES = _phrases("kann ich, darf ich, muss ich, soll ich, can i, may i, do i, should i")

# "Nicht abmelden!", "don't stop": the opposite of a withdrawal, or somebody who tried in vain.
NEGATIONS = _set("nicht kein keine keinen niemals nie not dont doesnt cant cannot never wont")
