"""Windows cut from passages that were tokenised once are those of the tokenizer, which encodes every pair anew."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.encoders import FAMILY_OF, TOKENIZERS, odd_texts
from support.features import feature_maker, tries

from stilts_xtreme.models.batch import spans
from stilts_xtreme.tasks.question_answering.module import QuestionAnsweringModule


@pytest.mark.parametrize("name", TOKENIZERS)
@tries(60)
@given(data=st.data())
def test_windows_are_those_of_the_tokenizer(name, data):
    tokenizer = TOKENIZERS[name]()
    contexts = data.draw(st.lists(odd_texts, min_size=1, max_size=3))
    rows = data.draw(st.lists(st.tuples(st.integers(0, len(contexts) - 1), odd_texts), min_size=1, max_size=5))
    length, stride = data.draw(st.sampled_from([12, 24, 64])), data.draw(st.sampled_from([0, 1, 5, 1000]))
    module = feature_maker(
        QuestionAnsweringModule, FAMILY_OF[name], max_length=length, stride=stride, max_query_length=16
    )
    columns = {
        "id": [str(at) for at in range(len(rows))],
        "context": [contexts[at] for at, _ in rows],
        "question": [question for _, question in rows],
    }
    features = module.features(columns, tokenizer)
    asked, common = module.ask([question.strip() for _, question in rows], tokenizer)
    # the questions as text that encodes to those ids: only such can be handed to the tokenizer
    whole = [at for at, (_, question) in enumerate(rows) if ids_of(tokenizer, question.strip()) == asked[at]]
    if not whole:
        return
    encoded = tokenizer(
        [columns["question"][at].strip() for at in whole],
        [columns["context"][at] for at in whole],
        truncation="only_second",
        max_length=length,
        stride=common,
        return_overflowing_tokens=True,
        return_offsets_mapping=True,
        return_token_type_ids=True,
    )
    chosen = np.flatnonzero(np.isin(features.rows, whole))
    assert [whole[at] for at in encoded["overflow_to_sample_mapping"]] == features.rows[chosen].tolist()
    begins = spans(features.lengths)
    first, last = np.asarray(features.extra["first"]), np.asarray(features.extra["last"])
    for at, unit in enumerate(chosen):
        own = slice(begins[unit], begins[unit + 1])
        assert features.ids[own].tolist() == encoded["input_ids"][at]
        if features.types is not None:
            assert features.types[own].tolist() == encoded["token_type_ids"][at]
        parts = encoded.sequence_ids(at)
        for part, (begin, end), a, b in zip(parts, encoded["offset_mapping"][at], first[own], last[own], strict=True):
            if part != 1:
                assert a == b == -1
            elif a >= 0:  # its own characters without white space around them, and combining marks after them
                assert begin <= a < end <= b or columns["context"][features.rows[unit]][b:end].isspace()
            else:
                assert not columns["context"][features.rows[unit]][begin:end].strip()


def ids_of(tokenizer, text: str) -> list[int]:
    return tokenizer(text, add_special_tokens=False)["input_ids"]


@pytest.mark.parametrize("name", TOKENIZERS)
def test_a_passage_is_encoded_once(name, monkeypatch):
    tokenizer = TOKENIZERS[name]()
    module = feature_maker(QuestionAnsweringModule, FAMILY_OF[name], max_length=64)
    contexts = ["Nairobi is the capital of Kenya.", "กรุงเทพ is the capital of Thailand."]
    rows = {
        "id": list("abcdef"),
        "context": [contexts[at % 2] for at in range(6)],
        "question": ["who?", "why?", "when?", "where?", "", "what is it?"],
        "answer_texts": [["capital"]] * 6,
        "answer_starts": [[contexts[at % 2].index("capital")] for at in range(6)],
    }
    seen: list[str] = []

    class Counting:
        def __getattr__(self, attribute):
            return getattr(tokenizer, attribute)

        def __call__(self, texts, *others, **options):
            seen.extend([texts] if isinstance(texts, str) else texts)
            return tokenizer(texts, *others, **options)

    features = module.features(rows, Counting())
    assert [text for text in seen if text in contexts] == contexts
    single = [module.features({key: [values[at]] for key, values in rows.items()}, tokenizer) for at in range(6)]
    assert features.ids.tolist() == np.concatenate([one.ids for one in single]).tolist()
    for side in ("start", "end"):
        positions = [int(one.labels[side][1][0]) for one in single]
        assert features.labels[side][1].tolist() == positions
        assert min(positions) > 0
