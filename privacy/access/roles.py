"""What each role may do. The one table of rights: every page, call and command asks it."""

from privacy.models import Grant

EDITOR = frozenset(
    {
        "broadcast.read", "broadcast.write", "broadcast.test",
        "segment.write", "inbox.read", "newsletter.read",
    }
)  # fmt: skip
PUBLISHER = EDITOR | {"broadcast.send", "import.upload", "subscription.read"}
# Sees people, and therefore cannot write to them.
DPO = frozenset(
    {
        "person.read", "person.export", "person.erase", "request.work", "import.approve",
        "audit.read", "retention.read", "subscription.read", "newsletter.read",
        "approval.give", "retention.manage",
    }
)  # fmt: skip
# Gives rights to others, and has none over people or messages.
ADMINISTRATOR = frozenset(
    {
        "user.manage", "channel.manage", "newsletter.manage", "newsletter.read", "token.manage",
        # The second person, where there is only one officer; sees kinds and counts, not people.
        "approval.give",
    }
)  # fmt: skip

ACTIONS_OF: dict[str, frozenset[str]] = {
    Grant.Role.EDITOR: EDITOR,
    Grant.Role.PUBLISHER: PUBLISHER,
    Grant.Role.DPO: DPO,
    Grant.Role.ADMINISTRATOR: ADMINISTRATOR,
}
ACTIONS = frozenset().union(*ACTIONS_OF.values())
# What concerns the whole house: a grant for one newsletter does not lead here.
HOUSE_ACTIONS = frozenset(
    {
        "person.read", "person.export", "person.erase", "request.work", "audit.read",
        "retention.read", "user.manage", "channel.manage", "token.manage", "approval.give",
        "retention.manage",
    }
)  # fmt: skip
