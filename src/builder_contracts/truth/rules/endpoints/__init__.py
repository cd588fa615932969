"""Rules about hosts, ports, schemes and the roles of caches and stores."""
