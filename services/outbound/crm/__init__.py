"""Keep CRM systems right: what each record is to hold, and what the system says of it."""
