"""`tactus model fit`: weights learned from what became of customers."""
