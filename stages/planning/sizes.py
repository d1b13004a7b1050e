"""What a run needs: memory of the device, and room on the disk."""

from stages.equations.compute_costs import ADAM_COPIES, activation_bytes, cache_bytes
from stages.planning.shapes import Shape
from stages.planning.texts import Texts
from stages.planning.workload import Models, Settings

RUNTIME_BYTES = 1.0e9
"""That torch and its kernels take of a device before anything is computed."""
LOGITS_COPIES = 3
"""Of the next token's scores, in float32: as they are, filtered, and as probabilities."""
COMPRESSED = 0.45
"""Parquet's bytes over those of English text (0.42 of 10,000 triplets of NLI sentences)."""
ROW_BYTES = 35
"""Of a row besides its texts: id, numbers, short strings (33 of random ones)."""
GUIDE_COLUMNS, HALF_BYTES = 3, 2
CHECKPOINTS = 3
"""At once on the disk: the best, the last, and the one that is being written."""
CHECKPOINT_COPIES = 3
"""Numbers a checkpoint holds of each weight."""
FLOAT_BYTES = 4
TOKENS_AT_ONCE = 4096
"""That are read in one pass; see stages.language_models.tokens."""


def writing_memory(settings: Settings, shape: Shape, texts: Texts, *, number_bytes: int) -> float:
    """Return the bytes of device memory that stage generate needs."""
    chosen = settings["generate"]
    branches = 2 * chosen["samples"] * (2 if chosen["omega"] != 0 else 1)
    rows = float(chosen["batch_premises"] * branches)
    columns = texts.around + 2 * texts.premise + chosen["max_new_tokens"]
    layers = shape.layers
    if shape.kind == "encoder_decoder":
        columns, layers = texts.prefix + columns, shape.decoder_layers
    cached = cache_bytes(
        rows * columns, layers=layers, kv_width=shape.kv_width, number_bytes=number_bytes
    )
    scores = LOGITS_COPIES * rows * shape.vocabulary * FLOAT_BYTES
    return RUNTIME_BYTES + _held(shape, number_bytes) + 2 * cached + scores


def judging_memory(settings: Settings, models: Models, texts: Texts, *, number_bytes: int) -> float:
    """Return the bytes of device memory that stage score needs; one judge is there at a time."""
    shapes = {"encoder": models.guide, "nli": models.nli}
    judges = [shapes.get(name, models.llm) for name in settings["score"]["judges"]]
    held = max(_held(shape, number_bytes) for shape in judges if shape is not None)
    rows = 3 * settings["score"]["batch_triplets"]
    cached = cache_bytes(
        rows * (texts.around + 2 * texts.premise + texts.answer),
        layers=models.llm.layers,
        kv_width=models.llm.kv_width,
        number_bytes=number_bytes,
    )
    scores = LOGITS_COPIES * 1024 * models.llm.vocabulary * FLOAT_BYTES
    return RUNTIME_BYTES + held + 2 * cached + scores


def training_memory(settings: Settings, models: Models, texts: Texts, *, processes: int) -> float:
    """Return the bytes of device memory that stage train needs in each of ``processes``."""
    chosen = settings["train"]
    triplets = chosen["mini_batch_triplets"] or chosen["batch_triplets"]
    share = min(triplets, chosen["batch_triplets"] / processes)
    context = max(texts.sentence, texts.written)
    kept = activation_bytes(
        3 * share * context,
        width=models.base.width,
        layers=models.base.layers,
        heads=models.base.heads,
        context=context,
        number_bytes=FLOAT_BYTES,
    )
    return RUNTIME_BYTES + ADAM_COPIES * _held(models.base, FLOAT_BYTES) + kept


def table_bytes(texts: Texts, *, premises: float, triplets: float) -> float:
    """Return the bytes of the tables of sentences and triplets, and of the shards behind these.

    Triplets lie there three times as tables (written, scored, split into kept and rejected) and
    twice as shards (written, scored).
    """
    premise = texts.premise * texts.bytes_a_token
    answers = 2 * texts.answer * texts.bytes_a_token
    row = COMPRESSED * (premise + answers) + ROW_BYTES
    return premises * (COMPRESSED * premise + ROW_BYTES / 2) + 5 * triplets * row


def guide_bytes(settings: Settings, models: Models, *, kept: float) -> float:
    """Return the bytes of the guide's vectors of ``kept`` triplets."""
    if settings["train"]["objective"] != "masked":
        return 0
    return kept * GUIDE_COLUMNS * models.guide.width * HALF_BYTES


def model_bytes(models: Models) -> float:
    """Return the bytes of the models, the checkpoints and the trained encoder."""
    stored = {models.llm, models.base, models.guide} | ({models.nli} if models.nli else set())
    given = sum(FLOAT_BYTES * shape.parameters for shape in stored)
    trained = FLOAT_BYTES * models.base.parameters
    return given + (CHECKPOINTS * CHECKPOINT_COPIES + 1) * trained


def _held(shape: Shape, number_bytes: int) -> float:
    return number_bytes * shape.parameters
