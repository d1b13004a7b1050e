"""Long work: durable shards that processes share, their folders, and what computes."""
