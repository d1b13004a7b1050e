"""Cut a language model down to its lowest layers: an encoder that no contrastive loss has touched.

    python grids/lower_layers.py models/llm models/raw --layers 4

writes a folder for `models.base.reference`, as grids/raw.yaml wants it: the embeddings, the first
layers and the last norm of the language model, and the mean of its token vectors on top. The
layers above are trained to guess the next word; the lowest still say what stands there.
"""

import tempfile
from pathlib import Path
from typing import Annotated

import typer
from sentence_transformers import SentenceTransformer
from sentence_transformers.sentence_transformer.modules import Pooling, Transformer
from transformers import AutoModel, AutoTokenizer


def cut(
    source: Annotated[Path, typer.Argument(help="A language model's folder, such as models/llm.")],
    target: Annotated[Path, typer.Argument(help="The encoder's folder, which is written.")],
    layers: Annotated[int, typer.Option(min=1, help="So many of its lowest layers stay.")] = 4,
    dropout: Annotated[
        float, typer.Option(min=0, max=0.9, help="Share of attention to drop: what SimCSE needs.")
    ] = 0.1,
) -> None:
    """Write the lowest layers of SOURCE as a sentence encoder to TARGET."""
    model = AutoModel.from_pretrained(source, dtype="float32")
    model.layers = model.layers[:layers]
    model.config.num_hidden_layers = layers
    model.config.attention_dropout = dropout
    tokenizer = AutoTokenizer.from_pretrained(source)
    # Positions count from the left, so what fills a row up has to stand behind its words.
    tokenizer.padding_side = "right"
    with tempfile.TemporaryDirectory() as folder:
        model.save_pretrained(folder)
        tokenizer.save_pretrained(folder)
        words = Transformer(folder, max_seq_length=128)
        pooling = Pooling(model.config.hidden_size, pooling_mode="mean")
        encoder = SentenceTransformer(modules=[words, pooling], device="cpu")
        encoder.save(str(target), create_model_card=False)
    typer.echo(f"{target}: {layers} layers, vectors of {model.config.hidden_size} numbers")


if __name__ == "__main__":
    typer.run(cut)
