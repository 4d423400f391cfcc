"""Webhooks by the Standard Webhooks spec: what changed becomes messages, and each is sent until it is taken."""
