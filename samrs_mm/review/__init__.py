"""The HTML report in which the masks of an annotated folder are looked through."""
