"""The settings of the expression foundation model."""

from typing import Literal

from diffbio_engine.declare import Config, contract, dial, setting, size
from diffbio_engine.errors import SettingError
from diffbio_engine.operators.foundation_models.gene_tokenizer import MOST_TOKENS
from diffbio_engine.parts.transformer_layer import check_heads


class ExpressionModelSettings(Config):
    """How wide and deep it is, what is hidden, and what learns from labels."""

    n_genes: int = size("genes", default=2000, doc="How many genes are measured.")
    n_classes: int = size("classes", default=0, doc="How many types the labels have; 0: none.")
    hidden_dim: int = setting(
        128, low=4, high=1024, log=True, doc="Width of a token; a multiple of num_heads."
    )
    num_layers: int = setting(2, low=1, high=12, doc="Transformer layers.")
    num_heads: int = setting(4, low=1, high=16, doc="Heads of each attention.", advanced=True)
    max_tokens: int = setting(
        128,
        low=1,
        high=MOST_TOKENS,
        doc="Maximum of tokens a cell: its genes of the highest rank values. Time and memory grow"
        " with the square.",
    )
    mask_ratio: float = setting(
        0.15,
        low=0.01,
        high=0.9,
        doc="Mask ratio: share of the genes masked in each cell in training, detected or not.",
    )
    thinning: float = setting(
        0.5,
        low=0.05,
        high=1.0,
        doc="Of the genes that are not masked, at least this share of the molecules is left in"
        " training, another in each cell. 1: all. Keeps few cells from being learned by heart.",
        advanced=True,
    )
    dropout_rate: float = setting(
        0.1, low=0.0, high=0.9, doc="Dropout rate of the layers in training.", advanced=True
    )
    n_components: int = setting(
        10, low=1, high=100, doc="Factors of the start, to which the transformer adds."
    )
    fine_tune: Literal["end_to_end", "frozen"] = setting(
        "end_to_end",
        choices=("end_to_end", "frozen"),
        doc="What learns from labels. end_to_end: the whole model. frozen: only the classes, from"
        " embeddings as they are.",
    )
    temperature: float = dial(
        0.1,
        low=0.001,
        high=10.0,
        log=True,
        learnable=True,
        doc="Softness of the ranks of the tokens: low for whole numbers.",
    )
    adapter_mode: str = contract("native_trainable", doc="Weights are trained here.")
    artifact_id: str = contract("diffbio.differentiable_foundation_model", doc="Name of the model.")
    preprocessing_version: str = contract("counts_gene_ids_v1", doc="What the inputs are.")
    stochastic: bool = contract(True, doc="Whether a training step draws random numbers.")

    def __post_init__(self) -> None:
        super().__post_init__()
        check_heads(self.hidden_dim, self.num_heads, "hidden_dim")
        if self.n_components >= self.hidden_dim:
            raise SettingError(
                f"{self.n_components} factors leave no room in {self.hidden_dim} dimensions.",
                fix="Choose fewer than hidden_dim.",
                where="n_components",
            )
