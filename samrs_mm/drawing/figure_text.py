"""Names as matplotlib has to be given them."""


def verbatim(name: str) -> str:
    """Return a name as matplotlib has to be given it: dollar signs would begin a formula."""
    return name.replace('$', r'\$')
