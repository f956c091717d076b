"""Entities in the terminal annotator: marked by the numbers of words, in a real pseudo-terminal."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from hfal.store.records import Answer
from hfal.store.store import Store
from hfal.tasks.tags import tag_names
from hfal.tasks.words import words_of
from support.entity_queries import EU, PETER, RAIN, TYPES, add_query, mark, said
from support.hostile_screens import HOSTILE_WORDS
from support.person import END, ENTER, ESC, LEFT, RIGHT, assert_harmless


@pytest.fixture
def store(tmp_path: Path) -> Store:
    store = Store(tmp_path / "my run")
    store.set_meta("task", "token_classification")
    store.set_meta("scheme", "IOB2")
    store.set_meta("label_names", tag_names(TYPES))
    store.set_meta("plan", {"budget": 500, "rounds": 10, "unit": "words"})
    return store


# -- marking ----------------------------------------------------------------------------------------------------------


def test_words_have_numbers_and_a_key_marks_them(store, sit_down):
    add_query(store, [EU, PETER])
    person = sit_down(columns=100)
    person.sees(
        "0/2 answered | 0 of 500 words bought", "[1] PER  [2] ORG  [3] LOC  [4] MISC", "[Enter] saves no entity"
    )
    assert person.lines[2] == "1 EU  2 rejects  3 German  4 call  5 to  6 boycott  7 British  8 lamb  9 ."
    person.press("2")
    person.sees("ORG, words:", "[Enter] marks: 3, or 3-5, or 3-5, 9  [Esc] cancels", without="saves")
    person.press("1" + ENTER)
    person.sees("1 [EU]ORG  2 rejects", "Marked: [EU]ORG", "[Enter] saves 1 entity", without="words:")
    mark(person, "4", "3, 7")
    person.sees("3 [German]MISC  4 call", "7 [British]MISC  8 lamb", "saves 3 entities")
    person.press(ENTER)
    person.sees("1/2 answered | 9 of 500 words bought", "Saved: [EU]ORG, [German]MISC, [British]MISC", "1 Peter  2 Bl")
    person.look(0.15)
    mark(person, "1", "1-2")
    person.sees("1 [Peter  2 Blackburn]PER  3 of")
    person.press(ENTER)
    person.sees("2/2 answered | 13 of 500 words bought", "All 2 texts")
    person.look(0.15)
    person.press(ENTER)
    assert person.leaves() == 0
    answers = store.current_answers()
    assert answers["a"].label == ["B-ORG", "O", "B-MISC", "O", "O", "O", "B-MISC", "O", "O"]
    assert answers["b"].label == ["B-PER", "I-PER", "O", "O"]
    assert answers["a"].annotator == "ann"
    assert store.words_bought() == 13


def test_enter_with_nothing_marked_says_that_there_is_no_entity(store, sit_down):
    add_query(store, [RAIN])
    person = sit_down()
    person.sees("[Enter] saves no entity")
    person.press(ENTER)
    person.sees("1/1 answered | 3 of 500 words bought", "Saved: no entity")
    assert store.current_answers()["a"].label == ["O", "O", "O"]


def test_what_overlaps_is_replaced_and_x_removes(store, sit_down):
    add_query(store, [EU])
    person = sit_down(columns=100)
    person.sees("0/1")
    mark(person, "1", "1-2")
    mark(person, "2", "4 - 6; 8")
    mark(person, "3", "2-4")
    person.sees(
        "1 EU  2 [rejects  3 German  4 call]LOC  5 to",
        "Marked: [rejects German call]LOC instead of [EU rejects]PER, [call to boycott]ORG",
    )
    person.press("x")
    person.sees("no entity, words:")
    person.press("3" + ENTER)
    person.sees("1 EU  2 rejects  3 German  4 call", "Removed: [rejects German call]LOC", "saves 1 entity")
    mark(person, "X", "1")
    person.sees("No entity was marked there.", "8 [lamb]ORG")
    person.press(ENTER)
    person.sees("1/1 answered")
    assert said(store) == {"a": [(7, 8, "ORG")]}


def test_what_cannot_be_meant_is_said_and_loses_nothing(store, sit_down):
    add_query(store, [EU])
    person = sit_down()
    person.sees("0/1")
    mark(person, "1", "1")
    person.press("2")
    person.sees("ORG, words:")
    for typed, notice in (
        ("", "Type the numbers of words, 3, or 3-5, or several: 3-5, 9"),
        ("4-12", "There is no word 12: the words are 1 to 9."),
        ("0", "There is no word 0"),
        ("5-3", "5-3 runs backwards: type 3-5"),
        ("3-4, 4", "Word 4 is there twice"),
        ("x\x1b[200~\x1b]0\x07\x1b[201~", "'x<U+001B>]0<U+0007>' is no number of a word: type 3, or 3-5"),
    ):
        person.press("\x15" + typed)
        person.look(0.05)
        person.press(ENTER)
        person.sees(notice, "ORG, words:", "1 [EU]PER")
    person.press("\x15" + "2-3" + ESC)
    person.sees("1 [EU]PER  2 rejects", "[q] quit", without="words:")
    assert "is no number" not in person.screen
    person.press(ENTER)
    person.sees("1/1 answered")
    assert said(store) == {"a": [(0, 1, "PER")]}
    assert_harmless(person.raw)


def test_tags_without_a_prefix_make_neighbors_one_which_is_seen_at_once(store, sit_down):
    store.set_meta("label_names", ["O", "PER"])
    store.set_meta("scheme", "plain")
    add_query(store, [PETER])
    person = sit_down()
    person.sees("0/1")
    mark(person, "1", "1, 2")
    person.sees("1 [Peter  2 Blackburn]PER  3 of", "saves 1 entity")
    person.press(ENTER)
    person.sees("1/1")
    assert store.current_answers()["a"].label == ["PER", "PER", "O", "O"]


def test_an_entity_that_the_tags_cannot_say_is_refused(store, sit_down):
    store.set_meta("label_names", ["O", "B-PER", "B-LOC", "I-LOC"])
    add_query(store, [PETER])
    person = sit_down()
    person.sees("0/1")
    person.press("1", "1-2" + ENTER)
    person.sees("This cannot be tagged: the run has no tag I-PER.", "PER, words: 1-2")
    person.press("\x15" + "1" + ENTER)
    person.sees("1 [Peter]PER  2 Blackburn")
    person.look(0.15)
    person.press(ENTER)
    person.sees("1/1")
    assert store.current_answers()["a"].label == ["B-PER", "O", "O", "O"]


def test_types_without_a_key_are_picked_by_name(store, sit_down):
    types = [f"type {i}" for i in range(40)]
    store.set_meta("label_names", tag_names(types))
    add_query(store, [EU])
    person = sit_down()
    person.sees("0/1", "[1] type 0", "more, by name", "[x] remove a mark")
    shown = re.findall(r"\[(\w)\] type \d+", person.screen)
    assert not {*shown} & {*"snuchqxr"}
    person.press("/")
    person.sees("Type:")
    person.press("ype 3")
    person.sees("Type: ype 3", "[Esc] cancels")
    person.press(ENTER)
    person.sees("11 types are called that: ype 3")
    person.press("9" + ENTER)
    person.sees("type 39, words:")
    person.press("2" + ENTER)
    person.sees("2 [rejects]type 39")
    person.press("?")
    person.sees("Mark the entities of the sentence")
    person.press(END)
    person.sees("     type 39", "[?] back")
    person.press("q")
    person.sees("2 [rejects]type 39")
    person.press(ENTER)
    person.sees("1/1")
    assert said(store) == {"a": [(1, 2, "type 39")]}


# -- the model's suggestion -------------------------------------------------------------------------------------------


SUGGESTED = ["B-ORG", "O", "B-MISC", "O", "O", "O", "I-MISC", "O", "O"]  # as a model may say it


def test_the_suggestion_is_marked_from_the_start_and_enter_accepts_it(store, sit_down):
    add_query(store, [EU, PETER], [SUGGESTED, ["O"] * 4])
    person = sit_down()
    person.sees("1 [EU]ORG  2 rejects  3 [German]MISC", "[Enter] saves 3 entities  as the model suggests (87%)")
    person.press(ENTER)
    person.sees("1/2 answered", "[Enter] saves no entity  as the model suggests (87%)")
    person.press("1", "1-2" + ENTER)
    person.sees("saves 1 entity  [r] marks what the model suggests (87%)")
    person.look(0.15)
    person.press(ENTER)
    person.sees("2/2 answered")
    assert store.current_answers()["a"].label == ["B-ORG", "O", "B-MISC", "O", "O", "O", "B-MISC", "O", "O"]
    assert said(store)["b"] == [(0, 2, "PER")]


def test_the_suggestion_can_be_put_back(store, sit_down):
    add_query(store, [EU], [SUGGESTED])
    person = sit_down()
    person.sees("1 [EU]ORG")
    mark(person, "x", "1 3")
    mark(person, "1", "9")
    person.sees("1 EU  2 rejects  3 German", "9 [.]PER", "saves 2 entities  [r] marks what the model suggests (87%)")
    person.press("r")
    person.sees("1 [EU]ORG  2 rejects  3 [German]MISC", "9 .", "as the model suggests (87%)")
    person.press(ENTER)
    person.sees("1/1")
    assert said(store) == {"a": [(0, 1, "ORG"), (2, 3, "MISC"), (6, 7, "MISC")]}
    person.press("u")
    person.sees("1 [EU]ORG  2 rejects")
    mark(person, "x", "1")
    person.press(ENTER)
    person.sees("1/1")
    person.press(LEFT, "r")
    person.sees("1 [EU]ORG", "[Enter] changes it to 3 entities")


def test_hidden_suggestions_mark_nothing(store, sit_down):
    add_query(store, [EU, PETER, RAIN], [SUGGESTED, ["B-PER", "I-PER", "O", "O"], ["B-LOC", "O", "O"]])
    person = sit_down("hidden")
    person.sees("1 EU  2 rejects", "[Enter] saves no entity  [h] shows what the model suggests")
    person.press("r")
    person.sees("Suggestions are hidden; [h] shows them.")
    person.press(ENTER)
    person.sees("1/3", "1 Peter  2 Blackburn")
    person.press("h")  # nobody has touched this one
    person.sees("1 [Peter  2 Blackburn]PER", "as the model suggests (87%)")
    person.press("h")
    person.sees("1 Peter  2 Blackburn  3 of", without="87%")
    mark(person, "2", "4")
    person.press("h")
    person.sees("1 Peter  2 Blackburn  3 of  4 [Reuters]ORG", "[r] marks what the model suggests")
    person.press(ENTER, "h", LEFT)
    person.sees("Your answer 2/2: [Reuters]ORG", "4 [Reuters]ORG")
    person.press(RIGHT)
    person.sees("1 It  2 rains")
    assert said(store) == {"a": [], "b": [(3, 4, "ORG")]}


def test_a_suggestion_of_another_run_is_none(store, sit_down):
    add_query(store, [RAIN] * 3, [["B-DATE", "O", "O"], ["B-PER"], None])
    person = sit_down()
    for count in range(3):
        person.sees(f"{count}/3", "1 It  2 rains", "[Enter] saves no entity", without="model")
        person.press(ENTER)
        person.look(0.15)
    person.sees("3/3")


# -- undo, correct, skip, comment -------------------------------------------------------------------------------------


def test_undo_brings_the_sentence_back_with_its_marks(store, sit_down):
    add_query(store, [EU, PETER], [SUGGESTED])
    person = sit_down()
    person.sees("1 [EU]ORG")
    mark(person, "1", "2-3")
    person.press("c", "hm" + ENTER)
    person.look(0.15)
    person.press(ENTER)
    person.sees("1/2 answered | 9 of 500 words")
    person.press("u")
    person.sees(
        "0/2 answered | 0 of 500 words", "Taken back: [EU]ORG, [rejects German]PER", "2 [rejects  3 German]PER"
    )
    person.sees("Comment: hm")
    mark(person, "x", "1")
    person.press("s")
    person.sees("1/2 answered | 0 of 500 words", "Saved: skip")
    person.press("u")
    person.sees("0/2", "Taken back: skip", "1 EU  2 [rejects  3 German]PER", "7 [British]MISC")
    person.press(ENTER)
    person.sees("1/2")
    assert said(store) == {"a": [(1, 3, "PER"), (6, 7, "MISC")]}
    assert store.current_answers()["a"].comment == "hm"


def test_an_answer_is_corrected_by_walking_back_to_it(store, sit_down):
    add_query(store, [EU, PETER, RAIN])
    person = sit_down()
    person.sees("0/3")
    mark(person, "2", "1")
    person.press(ENTER, "s")
    person.sees("2/3 answered | 9 of 500 words", "1 It  2 rains")
    person.press(LEFT)
    person.sees("Your answer 2/2: skip", "1 Peter", without="[Enter]")
    person.press(ENTER)
    person.sees("That is the answer already: skip; mark entities, or with [x] none, to change it")
    person.press(LEFT)
    person.sees("Your answer 1/2: [EU]ORG", "1 [EU]ORG  2 rejects", without="[Enter]")
    person.press(ENTER)
    person.sees("That is the answer already: [EU]ORG")
    mark(person, "3", "3")
    person.sees("[Enter] changes it to 2 entities", "Your answer 1/2: [EU]ORG")
    person.press("c", "why" + ENTER)
    person.sees("Comment: why", "3 [German]LOC", "[Enter] changes it to 2 entities")
    person.look(0.15)
    person.press(ENTER)
    person.sees(
        "Saved: [EU]ORG, [German]LOC", "Your answer 1/2: [EU]ORG, [German]LOC", "2/3 answered | 9 of 500 words"
    )
    person.press(RIGHT)
    person.sees("Your answer 2/2: skip")
    mark(person, "x", "1")
    person.press(ENTER)
    person.sees("Your answer 2/2: no entity", "2/3 answered | 13 of 500 words")
    person.press("u")
    person.sees("Your answer 2/2: skip", "2/3 answered | 9 of 500 words")
    person.look(0.15)
    person.press("u")
    person.sees("Your answer 1/2: [EU]ORG", "Taken back: [EU]ORG, [German]LOC", "3 German  4 call")
    person.press(ESC)
    person.sees("1 It", without="Your answer")
    person.press("n")
    person.sees("3/3 answered")
    actions = [answer.action for answer in store.answers()]
    assert actions == ["label", "skip", "correct", "correct", "correct", "undo", "undo", "unsure"]
    assert said(store) == {"a": [(0, 1, "ORG")], "b": "skip", "c": "unsure"}


def test_marks_that_are_not_saved_wait_where_they_are(store, sit_down):
    add_query(store, [EU, PETER])
    person = sit_down()
    person.sees("0/2")
    person.press(ENTER)
    person.sees("1/2")
    mark(person, "1", "1-2")
    person.press(LEFT)
    person.sees("Your answer 1/1: no entity")
    mark(person, "2", "1")
    person.press(ESC)
    person.sees("1 [Peter  2 Blackburn]PER", "[Enter] saves 1 entity")
    person.press(LEFT)
    person.sees("1 [EU]ORG", "Your answer 1/1: no entity", "[Enter] changes it to 1 entity")
    person.press("q")
    assert person.leaves() == 75
    assert said(store) == {"a": []}


def test_who_comes_back_finds_their_answers(store, sit_down):
    add_query(store, [EU, PETER], purpose="seed")
    person = sit_down()
    person.sees("Seed set | 0/2")
    mark(person, "2", "1")
    person.press(ENTER, "q")
    assert person.leaves() == 75
    person = sit_down()
    person.sees("Seed set | 1/2 answered | 9 of 500 words bought", "1 Peter")
    person.press(LEFT)
    person.sees("1 [EU]ORG", "Your answer 1/1: [EU]ORG")
    person.press("u")
    person.sees("0/2 answered | 0 of 500 words bought", "1 [EU]ORG", "[Enter] saves 1 entity")


def test_who_comes_back_can_put_back_the_suggestion_to_what_they_answered(store, sit_down):
    add_query(store, [EU, PETER], [SUGGESTED])
    yesterday = sit_down()
    yesterday.sees("1 [EU]ORG")
    mark(yesterday, "x", "*")
    yesterday.press(ENTER)
    yesterday.sees("1/2 answered", "Saved: no entity")
    yesterday.press("q")
    assert yesterday.leaves() == 75
    person = sit_down()
    person.sees("1/2 answered")
    person.press(LEFT)
    person.sees("1 EU", "Your answer 1/1: no entity", "[r] marks what the model suggests (87%)")
    person.press("r")
    person.sees("1 [EU]ORG", "Marked as the model suggests.", "[Enter] changes it to 3 entities")


def test_where_the_budget_counts_examples_labels_are_shown(store, sit_down):
    store.set_meta("plan", {"budget": 20})
    add_query(store, [EU])
    person = sit_down()
    person.sees("0/1 answered | 0 of 20 labels bought")
    person.press(ENTER)
    person.sees("1/1 answered | 1 of 20 labels bought")


def test_a_key_held_down_accepts_one_sentence(store, sit_down):
    add_query(store, [EU, PETER, RAIN])
    person = sit_down()
    person.sees("0/3")
    person.press("1", "2" + ENTER * 5)
    person.sees("2 [rejects]PER", "Held down, [enter] counts once.", "0/3")
    person.look(0.15)
    person.press(ENTER * 5)
    person.sees("1/3", "Held down")
    assert said(store) == {"a": [(1, 2, "PER")]}


# -- tags that mark no entities ---------------------------------------------------------------------------------------


def test_parts_of_speech_are_not_asked_for(store):
    store.set_meta("label_names", ["NOUN", "VERB", "PUNCT"])
    store.set_meta("scheme", "plain")
    add_query(store, [RAIN])
    run = [sys.executable, "-m", "hfal", "label", str(store.run_dir)]
    found = subprocess.run(run, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60)
    assert found.returncode == 1
    assert "the tags (NOUN, VERB, PUNCT) have no 'O'" in found.stderr
    assert "--annotator jsonl" in found.stderr
    assert "Traceback" not in found.stderr


# -- words ------------------------------------------------------------------------------------------------------------


def test_a_raw_text_has_the_words_of_its_spans(store, sit_down):
    text = "Mr. Smith's dog\nbarks in  Tokyo"
    add_query(store, [text])
    person = sit_down()
    person.sees("1 Mr  2 .  3 Smith  4 '  5 s  6 dog  7 barks  8 in  9 Tokyo")
    mark(person, "3", "9")
    person.press(ENTER)
    person.sees("1/1 answered | 9 of 500 words bought", "Saved: [Tokyo]LOC")
    assert len(store.current_answers()["a"].label) == len(words_of(text)) == 9


def test_a_long_sentence_scrolls_and_stays_where_it_is_when_marked(store, sit_down):
    words = [f"word{i}" for i in range(1, 2001)]
    add_query(store, [words, RAIN])
    person = sit_down()
    person.sees("1 word1  2 word2", "4% seen, [Space] goes on")
    person.press(END)
    person.sees("2000 word2000", "end of the text")
    top = person.lines[2]
    person.press("1", "1990-1991", "\x1b[A")  # a row up, to look for another
    person.sees("1990-1991", "99% seen")
    person.press("\x1b[B")
    person.sees("1990-1991", "end of the text")
    person.press(", 5" + ENTER)
    person.sees("1990 [word1990  1991 word1991]PER", "2000 word2000", "end of the text", without="words:")
    person.look(0.15)
    assert top.split()[0] in person.lines[2]
    top = person.lines[2].split()[1]
    person.resize(24, 40)
    person.sees("words 0/500", top)
    assert top in person.lines[2]
    person.press(ENTER)
    person.sees("1/2", "1 It")
    assert said(store) == {"a": [(4, 5, "PER"), (1989, 1991, "PER")]}


def test_hostile_words_and_types_are_seen_and_not_obeyed(store, sit_down):
    kind = "\x1b[2J\u202e\n"
    store.set_meta("label_names", tag_names([kind, "\u05e9\u05dc\u05d5\u05dd", "x" * 200]))
    words = ["<U+001B>[31mred<U+001B>]0;pwned<U+0007>", "2 <empty>]<U+001B>[2J", "3 <U+202E>gnorw  4 a<U+200B>b"]
    add_query(store, [HOSTILE_WORDS, HOSTILE_WORDS[::-1]])
    person = sit_down(rows=40, columns=100)
    person.sees("0/2", "1 " + words[0], words[2], "5 xxx", "[1] <U+001B>[2J<U+202E><U+000A>")
    assert "[2] \u05e9\u05dc\u05d5\u05dd" in person.lines
    person.press("1")
    person.sees("<U+001B>[2J<U+202E><U+000A>, words:")
    person.press("1-2, 4" + ENTER)
    person.sees("1 [" + words[0], words[1], "Marked: [<U+001B>[31mred")
    mark(person, "3", "5-11")
    person.press(END)
    person.sees("6 two<U+000A>lines<U+0009>and a tab", "7 a  99 b  8 \u25cc\u0301mark  9 \u65e5\u672c", "<U+200D>")
    person.sees("<U+0000>]xxx", "\n" + "x" * 18 + "...\n")
    person.press(ENTER)
    person.sees("1/2")
    assert_harmless(person.raw)
    assert said(store) == {"a": [(0, 2, kind), (3, 4, kind), (4, 11, "x" * 200)]}


def test_a_text_without_words_has_no_entity(store, sit_down):
    add_query(store, ["", []])
    person = sit_down()
    person.sees("0/2 answered", "[Enter] saves no entity")
    person.press("1", "1" + ENTER)
    person.sees("There is no word 1: this text has none.")
    person.press(ESC)
    person.sees("[q] quit", without="this text has none")
    person.press(ENTER)
    person.sees("1/2 answered")
    person.look(0.15)
    person.press("x", "1" + ESC)
    person.sees("[q] quit", without="words:")
    person.press(ENTER)
    person.sees("2/2 answered | 0 of 500 words bought", "Saved: no entity")
    person.press(LEFT)
    person.sees("Your answer 2/2: no entity")
    assert said(store) == {"a": [], "b": []}


def test_a_tiny_terminal_shows_the_words(store, sit_down):
    add_query(store, [EU], [SUGGESTED])
    person = sit_down(rows=8, columns=20)
    person.sees("1 [EU]ORG", "[Enter] saves 3")
    mark(person, "1", "2")
    person.press(ENTER)
    person.sees("1/1")
    assert (1, 2, "PER") in said(store)["a"]


def test_the_answer_of_somebody_else_is_not_shown_as_mine(store, sit_down):
    add_query(store, [EU, PETER])
    store.record(Answer("a", ["O"] * 9, annotator="bob", query=1))
    person = sit_down()
    person.sees("1/2 answered | 9 of 500 words bought", "1 Peter")
    person.press("u")
    person.sees("There is nothing to undo")
