"""Rules about nodes, providers and removed technology."""
