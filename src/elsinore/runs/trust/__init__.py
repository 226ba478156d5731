"""Trust in a run's files: signatures, code and addresses that they name, and secrets."""
