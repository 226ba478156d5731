"""Export of trained policies."""
