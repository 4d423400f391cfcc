"""From a touchpoint event to a customer's score."""
