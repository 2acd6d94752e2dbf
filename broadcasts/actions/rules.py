"""What administrators choose: how careful broadcasts are, and what becomes of doubts."""

from hashlib import sha256

from django.db import transaction
from django.utils import timezone

from broadcasts.actions.people import user_of
from broadcasts.errors import ReasonMissing
from broadcasts.models import DoubtPolicy, SendingRules
from messengers.models import Channel
from privacy import audit
from privacy.access import Actor, require
from subscriptions.models import Newsletter


def hash_of(reason: str) -> str:
    """What the log keeps of a reason: the words stand beside it, and can be compared."""
    return sha256(reason.encode()).hexdigest()


@transaction.atomic
def change_rules(
    *, newsletter: Newsletter, actor: Actor, **fields: int | bool | None
) -> SendingRules:
    """Set the rules of a newsletter's broadcasts; those that run keep theirs."""
    require(actor, "newsletter.manage", newsletter.pk)
    rules, _is_new = SendingRules.objects.update_or_create(newsletter=newsletter, defaults=fields)
    facts: dict[str, int | str | bool] = {
        name: value for name, value in fields.items() if value is not None
    }
    audit.record(
        "newsletter.rules_changed", actor=actor, obj="newsletter", ref=newsletter.pk, facts=facts
    )
    return rules


@transaction.atomic
def choose_on_doubt(*, channel: Channel, policy: str, reason: str, actor: Actor) -> DoubtPolicy:
    """Choose what happens to doubts on a channel from now on; older ones keep the policy of then.

    Raises `ReasonMissing`. To send again by itself may write to somebody twice: that is never a
    default, and whoever chooses it says why.
    """
    require(actor, "channel.manage")
    reason = reason.strip()
    if not reason:
        raise ReasonMissing("say why: the choice is kept with its reason.")
    chosen = DoubtPolicy.objects.create(
        channel=channel,
        policy=Channel.OnDoubt(policy),
        reason=reason,
        chosen_by=user_of(actor),
    )
    Channel.objects.filter(pk=channel.pk).update(on_doubt=policy, on_doubt_since=timezone.now())
    audit.record(
        "channel.doubt_policy",
        actor=actor,
        obj="channel",
        ref=channel.pk,
        facts={"policy": policy, "reason": hash_of(reason)},
    )
    return chosen
