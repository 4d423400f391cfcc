"""The rules as they hold for these sources: with the staff of each."""

from __future__ import annotations

from services.core.classes import Rules
from services.infra.classes.reading import ClassFile
from services.infra.sources import Sources


def rules_for(file: ClassFile, sources: Sources, *, hash_key: bytes) -> Rules:
    """Return all that says the class of a record, be it at the door or of one that is stored."""
    staff = {
        source.name: source.staff.stored(hash_key, region=source.region)
        for source in sources.with_staff
        if source.staff is not None
    }
    return Rules(rules=file.rules, agents=file.agents, staff=staff)
