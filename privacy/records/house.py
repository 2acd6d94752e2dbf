"""What the documents are made of, gathered once: the inventory and the tables are asked once."""

from dataclasses import dataclass
from datetime import date

from privacy import inventory
from privacy.inventory import Field
from privacy.models import Controller, Processor, RecordText, RetentionRule
from privacy.records.places import Place, places
from privacy.records.processors import present
from privacy.retention.rules import rules_on


@dataclass(frozen=True)
class House:
    """The facts of a day, in no language yet. `fields` by their names, "app.Model.field"."""

    day: date
    fields: list[tuple[str, Field]]
    rules: dict[str, RetentionRule]
    places: list[Place]
    providers: list[Processor]
    controller: Controller | None
    texts: dict[str, RecordText]

    def fields_of(self, classes: tuple[str, ...]) -> list[tuple[str, Field]]:
        """The fields of these classes of data, in the order of their names."""
        return [(name, field) for name, field in self.fields if field.retention in classes]

    def places_of(self, kind: str) -> list[Place]:
        return [place for place in self.places if place.kind == kind]

    def text_of(self, key: str, language: str) -> list[str]:
        """The lines of what the publisher wrote; none if nothing."""
        row = self.texts.get(key)
        return row.lines(language) if row else []


def house_on(day: date) -> House:
    """The house by the rules of `day`."""
    return House(
        day=day,
        fields=sorted(_fields(), key=lambda pair: pair[0]),
        rules={rule.data_class: rule for rule in rules_on(day)},
        places=places(),
        providers=list(present()),
        controller=Controller.objects.filter(pk=1).first(),
        texts={row.key: row for row in RecordText.objects.all()},
    )


def _fields() -> list[tuple[str, Field]]:
    return [
        (name if name.count(".") == 2 else f"{app.app}.{name}", field)
        for app in inventory.apps()
        for name, field in inventory.personal_fields(app)
    ]
