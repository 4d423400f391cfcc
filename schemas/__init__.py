"""The contract with the outside: models, catalogue and examples."""
