"""How many masks of an annotated folder people would leave as they are, by a random sample."""
