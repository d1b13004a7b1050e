"""Durable shards: work that survives being stopped."""
