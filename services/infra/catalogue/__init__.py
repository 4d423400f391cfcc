"""The catalogue as files: read, checked, shown."""
