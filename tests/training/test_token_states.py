"""The states of tokens in a frozen encoder, with the real all-MiniLM-L6-v2."""

from pathlib import Path

import numpy as np
import torch
from datasets import Dataset
from transformers import AutoModel

from hfal import Pool
from hfal.data.references import resolve_model
from hfal.training.token_states import add_token_states, sentence_means
from support.models import MINILM
from support.texts import load_sentences


def test_the_states_are_those_of_the_layer_in_the_middle(tagged: Dataset, news: Pool) -> None:
    checkpoint = resolve_model(MINILM)
    encoder = AutoModel.from_pretrained(checkpoint).eval()
    for row in (0, 7, 33):
        example = tagged[row]
        ids = torch.from_numpy(example["input_ids"])[None]
        with torch.no_grad():
            expected = encoder(ids, output_hidden_states=True).hidden_states[3][0].numpy()
        found = example["token_states"].reshape(-1, 384)
        np.testing.assert_allclose(found, expected, atol=5e-3)
        np.testing.assert_allclose(sentence_means(tagged)[row], expected.mean(0), atol=2e-3)
    assert len(sentence_means(tagged)) == 60
    assert (news.lengths == [len(ids) for ids in tagged["input_ids"]]).all()


def test_states_are_computed_once_and_again_for_other_tokens(tmp_path: Path) -> None:
    sentences = load_sentences(5)
    add_token_states(sentences, MINILM, tmp_path)
    (file,) = tmp_path.iterdir()
    np.save(file, np.full_like(np.load(file), 7))  # so that reading can be told from computing
    assert (add_token_states(sentences, MINILM, tmp_path)[4]["token_states"] == 7).all()
    assert not (add_token_states(sentences.select([4, 3]), MINILM, tmp_path)[0]["token_states"] == 7).any()
