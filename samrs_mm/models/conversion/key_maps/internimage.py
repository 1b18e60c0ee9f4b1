"""InternImage: we have its authors' names."""

from samrs_mm.models.conversion.rules import CLASSIFIER, Network, Rule

NETWORK = Network(
    'internimage',
    mark=r'levels\.0\.blocks\.0\.dcn\.offset\.weight',
    rules=(Rule(r'(?:conv_head|head)\..+', reason=CLASSIFIER),),
)
