"""What goes out: scores and alerts to topics, notifications, webhooks and CRM systems."""
