"""The channels: one file each, found by its being here."""
