"""ViT-Adapter: a plain ViT, of which the adapter's parts are new."""

from samrs_mm.models.conversion.key_maps.vit import NO_CLASS_TOKEN, VIT_CLASSIFIER
from samrs_mm.models.conversion.rules import OWN_INITIALISATION, Network, Rule

NETWORK = Network(
    'vit-adapter',
    mark=r'spm\.stem\.0\.weight',
    rules=(
        VIT_CLASSIFIER,
        NO_CLASS_TOKEN,
        Rule(r'norm\.\w+', reason="the model has no final norm of the ViT's"),
    ),
    fresh={
        r'(?:spm|interactions|up|norm[1-4])\..+|level_embed': OWN_INITIALISATION,
        r'blocks\.\d+\.gamma[12]': 'starts at 1',
    },
)
