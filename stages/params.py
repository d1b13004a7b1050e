"""Every setting of the pipeline: its type, its range and what it does.

No setting has a default here: params.yaml shows every value in force.
"""

from collections.abc import Container, Iterator
from typing import Annotated, Any, Literal, TypeVar, get_args, get_origin

from pydantic import AfterValidator, BaseModel, ConfigDict, Field
from pydantic.fields import FieldInfo

Dtype = Literal["auto", "float32", "bfloat16"]
Arithmetic = Literal[Dtype, "int8"]
Endpoint = Literal["chat", "completions"]
NoisyKind = Literal["opposite", "shuffled", "empty", "literal"]
EngineKind = Literal["local", "ray"]
AskedJudge = Literal["generate", "expectation", "likelihood", "forward", "contrast"]
JudgeName = Literal[AskedJudge, "encoder", "nli"]
Objective = Literal["masked", "supervised", "unsupervised"]
Anchors = Literal["premises", "pairs"]
Combine = Literal["min", "mean", "all"]
Pooler = Literal["auto", "cls", "cls_mlp_train_only", "mean", "prompt_mask"]
GuidePooler = Literal["auto", "cls", "mean", "prompt_mask"]

Names = TypeVar("Names", bound=tuple[str, ...])


def _each_once(names: Names) -> Names:
    if len(set(names)) < len(names):
        message = "a name is given twice"
        raise ValueError(message)
    return names


def _with_places(template: str) -> str:
    if [template.count(place) for place in ("{sentence}", "[MASK]")] != [1, 1]:
        message = "must hold {sentence} and [MASK], each once"
        raise ValueError(message)
    return template


def _without_key(reference: str) -> str:
    scheme, _, rest = reference.partition("://")
    user = rest.partition("/")[0].rpartition("@")[0]
    if user and (scheme != "hdfs" or ":" in user):
        message = "an address must hold no name or key; the environment is the place for them"
        raise ValueError(message)
    return reference


Source = Annotated[str, Field(min_length=1), AfterValidator(_without_key)]
"""A path, or an address of files elsewhere."""


class Section(BaseModel):
    """Unknown keys are typing errors, and a loaded value never changes."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", use_attribute_docstrings=True, allow_inf_nan=False
    )

    def by_key(self, section: str, *, without: Container[str] = ()) -> dict[str, object]:
        """Return the settings of this section as JSON values by their full key."""
        values = self.model_dump(mode="json")
        return {f"{section}.{name}": v for name, v in values.items() if name not in without}


class ModelParams(Section):
    """One model: where it comes from and how it is recognised."""

    reference: str = Field(min_length=1)
    """`pypi:PACKAGE==VERSION/PATH`, `hub:OWNER/NAME@COMMIT`, `path:DIR`; in tests `scripted:`."""
    sha256: str | None = Field(pattern=r"^[0-9a-f]{64}$")
    """Checksum of the wheel, 64 hexadecimal digits; required for `pypi:`, null for the others."""


class OptionalModelParams(Section):
    """A model that only some settings need."""

    reference: str | None = Field(min_length=1)
    """As for the others; null where no setting needs the model."""
    sha256: str | None = Field(pattern=r"^[0-9a-f]{64}$")
    """Checksum of the wheel, 64 hexadecimal digits; required for `pypi:`, null for the others."""


class ModelsParams(Section):
    """The models of a run."""

    llm: ModelParams
    """The language model that writes and judges the triplets."""
    base: ModelParams
    """The sentence encoder that training starts from."""
    guide: ModelParams
    """The frozen sentence encoder that points out false negatives, and the judge `encoder`."""
    nli: OptionalModelParams
    """The classifier of entailment behind the judge `nli`."""


class ServerParams(Section):
    """The OpenAI-compatible server behind an `api:` language model; idle for the others."""

    base_url: str = Field(pattern=r"^https?://[^\s@?#]+$")
    """Where the server's API begins; the key stands in the environment as OPENAI_API_KEY."""
    endpoint: Endpoint
    """`chat` sends the prompt as a message of a user, `completions` as a text to continue."""
    concurrency: int = Field(ge=1)
    """Requests under way at once; changes speed, not what is asked."""
    requests_per_minute: int | None = Field(ge=1)
    """Most requests a minute, repetitions included; null sends as fast as answers come."""
    tokens_per_minute: int | None = Field(ge=1)
    """Most tokens a minute, read and written, as estimated before asking; null is no limit."""
    timeout_s: float = Field(gt=0)
    """Seconds until a request without a whole reply has failed."""
    max_attempts: int = Field(ge=1)
    """Times a request is sent before the stage stops; pauses grow, or are what the server says."""
    budget_tokens: int | None = Field(ge=1)
    """Tokens, read and written by all runs of the same work, that stop a stage; null is no end."""
    price_per_million_prompt_tokens: float = Field(ge=0)
    """Price of a million tokens read, in any currency; the cost is in the stage's metrics."""
    price_per_million_completion_tokens: float = Field(ge=0)
    """Price of a million tokens written, in the same currency."""


class EngineParams(Section):
    """What makes the shards of generate, score and the guide's vectors; shapes no result.

    So no stage of dvc.yaml lists it: a run may begin on one engine and end on another.
    """

    kind: EngineKind
    """`local` is this process; `ray` is a Ray cluster (extra `multicsr[ray]`, docs/scale.md)."""
    address: str | None = Field(min_length=1)
    """`ray://HOST:PORT`, `HOST:PORT` or `auto`; null starts workers on this machine alone."""
    workers: int = Field(ge=1)
    """Most workers at once, each with the model in its memory; idle with `local`."""
    cpus_per_worker: int | None = Field(ge=1)
    """Cores, and threads, of a worker; null takes torch's number here. Shapes rounding on a CPU."""
    gpus_per_worker: float = Field(ge=0)
    """GPUs of a worker; a share, such as 0.5, where several use one. 0 computes on the CPU."""


class PrepareParams(Section):
    """Which sentences and which graded pairs go in."""

    sentences: Source
    """Sentence file: .txt (one a line), .csv, .tsv, .jsonl or .parquet; or its s3:// address."""
    column: str | None
    """Column that holds the sentences; null for .txt."""
    where: str | None = Field(min_length=1)
    """Condition in SQL on the file's columns: only rows that meet it are taken; null takes all."""
    limit: int | None = Field(ge=1)
    """Take only the first so many distinct sentences; null takes all."""
    max_characters: int = Field(ge=1)
    """Longer sentences are left out, and counted."""
    labelled: Source
    """Triplets that people labelled: see train.labelled, generate.demonstrations; often none."""
    benchmarks: Source
    """Folder of graded pairs (.tsv: subset, score, sentence1, sentence2) and of other tasks."""


class GenerateParams(Section):
    """Stage 1, contrastive generation: next-token scores are l - omega * l_hat."""

    prompts: str = Field(min_length=1)
    """Prompt set: a name in stages/language_models/prompts, or the path of a YAML file."""
    chat: bool
    """Put prompts into the model's chat template; for instruction-tuned decoder-only models."""
    omega: float
    """Weight of the noisy instruction; 0 is plain generation at half the cost, the paper 0.3."""
    noisy: NoisyKind
    """What the noisy branch is told: `opposite`, `shuffled` words, `empty`, `literal`."""
    demonstrations: int = Field(ge=0)
    """Labelled triplets (`prepare.labelled`) shown before each premise, nearest last; 0 is none."""
    demonstration_cosine: float = Field(ge=-1, le=1)
    """Least cosine, by the guide, of a premise and one shown for it; the paper 0.6 or 0.8."""
    plausibility: float = Field(ge=0, lt=1)
    """Tokens below this share of the most likely token's probability are excluded; 0 is off."""
    temperature: float = Field(ge=0)
    """Sampling temperature; 0 is greedy decoding."""
    top_p: float = Field(gt=0, le=1)
    """Sample only from the most likely tokens that hold this probability together; 1 is off."""
    top_k: int = Field(ge=0)
    """Sample only from so many of the most likely tokens; 0 is off."""
    no_repeat_ngram: int = Field(ge=0)
    """No so many tokens in a row may occur twice in an answer; 0 is off."""
    samples: int = Field(ge=1)
    """Triplets a premise, each drawn anew; curation keeps the best. Time grows with it."""
    max_new_tokens: int = Field(ge=1)
    """Longest answer in tokens; an answer that has not ended by then is rejected by curation."""
    batch_premises: int = Field(ge=1)
    """Premises written for at once; changes speed and memory, not the answers."""
    shard_premises: int = Field(ge=1)
    """Premises a shard; a stopped run loses at most the shard in flight."""
    dtype: Arithmetic
    """Arithmetic of the language model; auto is bfloat16 where there are instructions for it, else
    float32. int8 is faster on processors without them, and less exact."""
    seed: int = Field(ge=0)
    """Seed of instruction choice and sampling, combined with each sentence's id."""


class ScoreParams(Section):
    """Stage 2, scoring: the judges' similarity of premise and answer, 0 to 5."""

    judges: Annotated[tuple[JudgeName, ...], AfterValidator(_each_once)] = Field(min_length=1)
    """Who judges: the language model, asked in one way or several, the guide's cosine
    (`encoder`), the classifier `models.nli`."""
    combine: Combine
    """Of several judges: the least or mean score; `all` takes the least a and the greatest b."""
    where: str | None
    """The judges that it does not name are asked only where it holds: a condition in SQL on the
    texts and other judges' scores, such as `encoder_a >= 3`; null asks all about all."""
    batch_triplets: int = Field(ge=1)
    """Triplets scored at once; changes speed and memory, not the scores."""
    shard_triplets: int = Field(ge=1)
    """Triplets a shard; a stopped run loses at most the shard in flight."""
    dtype: Arithmetic
    """Arithmetic of the language model; auto is bfloat16 where there are instructions for it, else
    float32. int8 is faster on processors without them, and less exact."""


class CurateParams(Section):
    """Stage 2, thresholds: keep iff a >= alpha, b <= beta and a >= b + gamma (a, b in 0..5)."""

    alpha: float = Field(ge=0, le=5)
    """Least similarity a of premise and entailment; the paper 3."""
    beta: float = Field(ge=0, le=5)
    """Greatest similarity b of premise and contradiction; the paper 3."""
    gamma: float = Field(ge=-5, le=5)
    """Least gap between the two: a >= b + gamma; the paper 1."""
    triplets_per_premise: int = Field(ge=1)
    """Keep at most so many of a premise's samples that pass: those with the widest gap a - b."""
    swap_reversed: bool
    """Swap entailment and contradiction when b > a, as the paper's released code does."""
    where: str | None = Field(min_length=1)
    """One more condition, in SQL: on premise, entailment, contradiction, a, b and each judge's own
    scores, such as `encoder_b <= 4.6` (of the judge encoder); null asks for nothing more."""


class ValidateParams(Section):
    """What the curated and rejected tables must look like."""

    kept_ratio_min: float = Field(ge=0, le=1)
    """Critical when a smaller share of the triplets is kept."""
    kept_ratio_max: float = Field(ge=0, le=1)
    """Warning when a greater share is kept: curation may not be looking."""
    max_characters: int = Field(ge=1)
    """Critical when a generated sentence is longer."""
    duplicate_ratio_max: float = Field(ge=0, le=1)
    """Warning when a greater share of generated sentences repeats another row's."""
    script: str | None
    """Unicode script expected of generated text, such as Latin; null accepts any."""
    script_ratio_min: float = Field(ge=0, le=1)
    """Warning when a smaller share of rows is written in `script` alone."""
    sample_rows: int = Field(ge=1)
    """Of longer tables Data Docs show a sample of so many rows; every row is still counted."""


class TrainParams(Section):
    """Stage 3, masked contrastive training."""

    objective: Objective
    """`masked` is the paper's, `supervised` has no mask, `unsupervised` takes premises alone."""
    anchors: Anchors
    """`premises` look for their entailments (the paper); in `pairs` both look for each other."""
    pooler: Pooler
    """Which token vectors make the sentence's; auto: what the base's folder says, else mean."""
    guide_pooler: GuidePooler
    """The same for the guide, whose tokenizer is its own too; the paper's guide takes cls."""
    template: Annotated[str, AfterValidator(_with_places)]
    """What `prompt_mask` puts around a sentence; the vector is the hidden state at [MASK]."""
    labelled: bool
    """Train on the labelled triplets (`prepare.labelled`) beside the written ones."""
    limit: int | None = Field(ge=2)
    """Train on so many triplets at most, drawn by `train.seed`; null takes all."""
    sigma: float = Field(gt=-1)
    """Guide cosine from which a candidate is a false negative; the paper 0.9, above 1 is off."""
    tau: float = Field(gt=0)
    """Temperature that divides the cosines; the paper 0.05."""
    hard_negative_weight: float
    """Logarithm of the weight of a premise's own contradiction; 0 as the others, as the paper."""
    batch_triplets: int = Field(ge=2)
    """Triplets a step, of all processes; more give more negatives. The paper 256."""
    mini_batch_triplets: int | None = Field(ge=1)
    """Triplets encoded at once (GradCache): less memory, more time, same gradient; null is all."""
    allow_duplicates: bool
    """Let triplets with a sentence in common share a batch."""
    learning_rate: float = Field(gt=0)
    """Peak learning rate of AdamW."""
    epochs: float = Field(gt=0)
    """Passes over the curated triplets."""
    warmup_ratio: float = Field(ge=0, le=1)
    """Share of the steps in which the learning rate rises from 0."""
    weight_decay: float = Field(ge=0)
    """AdamW's weight decay."""
    clip_norm: float | None = Field(gt=0)
    """Longer gradients are cut to this length; null leaves them."""
    max_tokens: int = Field(ge=4)
    """Longer sentences are cut to so many tokens while training."""
    dev: str = Field(min_length=1)
    """Benchmark (file name without ending) that selects the best checkpoint."""
    eval_steps: int = Field(ge=1)
    """Steps between two looks at the dev benchmark."""
    early_stopping: int | None = Field(ge=1)
    """Stop after so many looks without a new best; null trains to the end."""
    dtype: Dtype
    """Arithmetic of the encoder; auto takes bfloat16 where the hardware has it."""
    seed: int = Field(ge=0)
    """Seed of batch order and dropout, and of what `train.limit` draws."""


class EvaluateParams(Section):
    """On what, and how, base and trained encoder are compared."""

    tasks: Annotated[tuple[str, ...], AfterValidator(_each_once)] = Field(min_length=1)
    """Tasks or groups: `own` (.tsv in prepare.benchmarks), sts, transfer, retrieval, bitext."""
    batch_sentences: int = Field(ge=1)
    """Sentences encoded at once."""
    dtype: Dtype
    """Arithmetic of both encoders; tables are float32's, bfloat16 may move a figure by 0.02."""
    bootstrap_samples: int = Field(ge=100)
    """Resamples behind every confidence interval."""
    confidence: float = Field(gt=0.5, lt=1)
    """Level of the confidence intervals."""
    hardest_items: int = Field(ge=0)
    """Items kept of each task with their sentences: those with the greatest error."""
    drawn_pairs: int = Field(ge=0, le=500)
    """Pairs of each graded task on the map of vectors, as many of each grade; 0 draws none."""
    seed: int = Field(ge=0)
    """Seed of the resampling and of the choice of pairs that are drawn."""


class ReportParams(Section):
    """What report.html shows."""

    samples: int = Field(ge=0)
    """Triplets shown of the kept, and as many of the rejected."""
    seed: int = Field(ge=0)
    """Seed of their choice."""


class Params(Section):
    """params.yaml as a whole; a section belongs to the stage of its name or serves several."""

    profile: str
    """Name of the profile these values came from; only shown in reports."""
    models: ModelsParams
    server: ServerParams
    engine: EngineParams
    prepare: PrepareParams
    generate: GenerateParams
    score: ScoreParams
    curate: CurateParams
    validate_: ValidateParams = Field(alias="validate")
    train: TrainParams
    evaluate: EvaluateParams
    report: ReportParams


def settings() -> Iterator[tuple[str, FieldInfo]]:
    """Yield every leaf setting as (full key, field) in the order of params.yaml."""
    return _leaves(Params, "")


def _leaves(section: type[BaseModel], prefix: str) -> Iterator[tuple[str, FieldInfo]]:
    for name, field in section.model_fields.items():
        key = prefix + (field.alias or name)
        inner = section_of(field.annotation)
        if inner is None:
            yield key, field
        else:
            yield from _leaves(inner, f"{key}.")


def section_of(annotation: Any) -> type[BaseModel] | None:
    """Return the section that a field holds, None for a setting."""
    is_section = isinstance(annotation, type) and issubclass(annotation, Section)
    return annotation if is_section else None


def choices(field: FieldInfo) -> tuple[Any, ...]:
    """Return the values a setting, or each entry of it, may take when they are a closed list."""
    kind = get_args(field.annotation)[0] if is_list(field) else field.annotation
    return get_args(kind) if get_origin(kind) is Literal else ()


def is_list(field: FieldInfo) -> bool:
    """Say whether a setting is a list of values."""
    return get_origin(field.annotation) is tuple
