"""The profile of a provider that a channel needs before it can send."""

OWN_HOUSE = {
    "name": "Verlag am Markt GmbH",
    "role": "ourselves",
    "country": "DE",
    "transfer": "none",
    "sub_processors": "none",
    "retention": "7 days",
}
