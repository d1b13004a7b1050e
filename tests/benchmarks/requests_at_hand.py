"""What stage ``generate`` asks about a list of sentences."""

from stages.language_models.prompts import PromptSet
from stages.language_models.protocol import Request


def requests_for(sentences: list[str], prompts: PromptSet) -> list[Request]:
    """Return both hypotheses' requests for each sentence, away from one another."""
    made = []
    for sentence in sentences:
        same = prompts.entailment[0].prompt(sentence)
        other = prompts.contradiction[0].prompt(sentence)
        made += [
            Request(same, other, f"{sentence}/entailment"),
            Request(other, same, f"{sentence}/contradiction"),
        ]
    return made
