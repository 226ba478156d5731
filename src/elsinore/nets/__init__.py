"""Networks, action heads and action distributions."""
