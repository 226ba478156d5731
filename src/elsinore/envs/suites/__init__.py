"""Adapters to the environments of other libraries."""
