"""How each system is spoken to: one file a system, and none knows another."""
