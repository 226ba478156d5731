"""Files that survive kills and power cuts, and files that others may have made."""
