"""Rules about access to the runners, and about the registration of scale sets."""
