from stages.language_models.prompts import load_prompts
from stages.language_models.protocol import Decoding, Request
from stages.language_models.scripted import ScriptedLanguageModel

DECODING = Decoding(omega=0.5, plausibility=0, temperature=1, top_p=1, max_new_tokens=8, seed=3)


def test_equal_requests_get_equal_answers_and_hypotheses_differ() -> None:
    prompts, model = load_prompts("few_shot"), ScriptedLanguageModel()
    same = prompts.entailment[0].prompt("The ferry left early.")
    other = prompts.contradiction[0].prompt("The ferry left early.")
    requests = [Request(same, other, "1/e"), Request(other, same, "1/c")]
    answers = model.write(requests, DECODING)
    assert answers == model.write(requests, DECODING)
    assert answers[0].text != answers[1].text
    assert all(answer.finished and "ferry" in answer.text for answer in answers)
