"""The till's agent: keeps what a till says until the door has it. Runs alone, on Python 3.9 and nothing else."""
