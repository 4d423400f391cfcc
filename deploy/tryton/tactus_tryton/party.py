"""Fields that Tactus writes and people read."""

from __future__ import annotations

from trytond.model import fields
from trytond.pool import PoolMeta


class Party(metaclass=PoolMeta):
    """A party with its experience score."""

    __name__ = "party.party"

    tactus_id = fields.Char("Customer id", help="As events name the customer; Tactus finds the party by it.")
    tactus_score = fields.Float("Experience score", digits=(3, 1))
    tactus_band = fields.Char("Band")
    tactus_confidence = fields.Float("Confidence", digits=(1, 2))
    tactus_as_of = fields.Char("As of")
    tactus_version = fields.Integer("Version")
    tactus_reasons = fields.Char("Reasons")
    tactus_link = fields.Char("Link")
    tactus_merged_into = fields.Char("Merged into")
