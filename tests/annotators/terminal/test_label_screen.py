"""The terminal annotator's screen where a text gets a label, in a real pseudo-terminal."""

import re

from support.label_queries import add_query, first_words, labels, log
from support.person import END, ENTER, ESC, LEFT


def test_each_key_beside_a_label_gives_this_label(store, texts, sit_down):
    names = [f"label {i}" for i in range(31)]
    store.set_meta("label_names", names)
    add_query(store, texts[:31])
    person = sit_down(rows=40)
    person.sees(first_words(texts[0]))
    shown = re.findall(r"\[(\w)\] (label \d+)", person.screen)
    assert [name for _, name in shown] == names[:29]
    for count, (key, _) in enumerate(shown, start=1):
        person.press(key)
        person.sees(f"{count}/31 answered", first_words(texts[count]))
    person.press("/")
    person.sees("Label:")
    person.press("BEL 29")
    person.sees("Label: BEL 29")
    person.press(ENTER)
    person.sees("30/31 answered", "Saved: label 29")
    person.press("/")
    person.press("label 3" + ENTER)  # label 3 and label 30 have this in their names; only one is called so
    person.sees("31/31 answered", "Saved: label 3")
    person.look(0.15)
    person.press(ENTER)
    assert person.leaves() == 0
    assert [label for _, _, label in log(store)] == [*names[:30], "label 3"]
    assert {answer.annotator for answer in store.answers()} == {"ann"}
    assert {answer.query for answer in store.answers()} == {1}
    assert store.queries()[0].closed


def test_whoever_rates_types_the_number_that_they_mean(store, texts, sit_down):
    names = [str(i) for i in range(13)]
    store.set_meta("label_names", names)
    add_query(store, texts[:4])
    person = sit_down()
    person.sees("[0] 0  [1] 1  [2] 2", "[9] 9  [a] 10", "[b] 11  [d] 12")
    for count, key in enumerate("105a", start=1):
        person.press(key)
        person.sees(f"{count}/4 answered")
    person.press("?")
    person.sees("[?] back")
    person.press(END)
    person.sees("  0  0", "  a  10")
    assert labels(store) == {"a": "1", "b": "0", "c": "5", "d": "10"}


def test_a_text_that_a_program_has_made_up_may_make_no_sense(store, texts, sit_down):
    add_query(store, texts[:3], made_up="bc")
    person = sit_down(rows=40)
    person.sees("0/3 answered", "[n] not sure  [u] undo", without="makes no sense")
    person.press("-")
    person.sees("[-] is no key here")
    person.press("1")
    person.sees("1/3 answered", "[n] not sure  [-] makes no sense  [u] undo")
    person.press("-")
    person.sees("2/3 answered", "Saved: makes no sense")
    person.look(0.15)  # sooner, the same key would be one that is held down
    person.press("-")
    person.sees("3/3 answered")
    person.press("u")
    person.sees("2/3 answered", "Taken back: makes no sense")
    person.press("2", LEFT, LEFT)
    person.sees("Your answer 2/3: makes no sense")
    person.press("-")
    person.sees("That is the answer already: makes no sense")
    person.press("2")
    person.sees("Saved: positive")
    person.press("-", "?")
    person.sees("-      makes no sense: for texts that a program has made up")
    said = [(a.example_id, a.action, a.label) for a in store.current_answers().values()]
    assert said == [("a", "label", "negative"), ("b", "nonsense", None), ("c", "label", "positive")]
    assert [action for i, action, _ in log(store) if i == "b"] == ["nonsense", "correct", "nonsense"]


def test_an_ambiguous_name_labels_nothing(store, texts, sit_down):
    add_query(store, texts[:2])
    person = sit_down()
    person.sees("0/2 answered")
    person.press("/", "tive", ENTER)
    person.sees("2 labels are called that: tive")
    person.press("x", ENTER)
    person.sees("No labels are called that: tivex")
    person.press(ESC)
    person.sees("[1] negative", "[?] help", without="Label:")
    person.press("/", "\x1b[B", ENTER)  # the first one in the menu
    person.sees("1/2 answered", "Saved: negative")
    assert log(store) == [("a", "label", "negative")]


def test_skip_and_not_sure_also_with_caps_lock(store, texts, sit_down):
    add_query(store, texts[:4])
    person = sit_down()
    for count, key in enumerate("snSN"):
        person.sees(f"{count}/4 answered", first_words(texts[count]))
        person.press(key)
    person.sees("4/4 answered", "All 4 texts of this query are answered")
    assert log(store) == [("a", "skip", None), ("b", "unsure", None), ("c", "skip", None), ("d", "unsure", None)]
    assert store.open_queries()
    person.press(ENTER)
    assert person.leaves() == 0
    assert not store.open_queries()


def test_enter_accepts_the_suggestion_while_it_is_shown(store, texts, sit_down):
    add_query(store, texts[:3], suggestion="positive")
    person = sit_down()
    person.sees("0/3 answered", "[Enter] Model suggests (87%): positive")
    person.press("h")
    person.sees("[h] shows what the model suggests", without="87%")
    person.press(ENTER)
    person.sees("There is no suggestion to accept", "0/3 answered")
    person.press("h")
    person.sees("[Enter] Model suggests (87%): positive")
    person.press(ENTER)
    person.sees("1/3 answered", "Saved: positive", first_words(texts[1]))
    person.press(LEFT)
    person.sees("Your answer 1/1: positive", without="[Enter]")
    person.press("1", ENTER, ENTER)  # Enter changes no answer
    person.sees("Your answer 1/1: negative", "Model suggests (87%): positive", "1/3 answered")
    assert labels(store) == {"a": "negative"}


def test_who_comes_back_finds_the_suggestions_to_what_they_answered(store, texts, sit_down):
    add_query(store, texts[:1], "seed", suggestion="negative")
    yesterday = sit_down()
    yesterday.sees("Model suggests (87%): negative")
    yesterday.press("2", ENTER)
    assert yesterday.leaves() == 0
    add_query(store, texts[1:3], suggestion="positive")
    yesterday = sit_down()
    yesterday.sees("0/2 answered")
    yesterday.press("1")
    yesterday.sees("1/2 answered")
    yesterday.press("q")
    assert yesterday.leaves() == 75
    person = sit_down()
    person.sees("1/2 answered")
    person.press(LEFT)
    person.sees("Your answer 2/2: negative", "Model suggests (87%): positive", "[h] hide suggestion")
    person.press(LEFT)
    person.sees("Your answer 1/2: positive", "Model suggests (87%): negative")  # an earlier query has it
    person.press("u")
    person.sees("0/2 answered", "Taken back: negative", "[Enter] Model suggests (87%): positive")
    person.press(ENTER)
    person.sees("1/2 answered", "Saved: positive")
    assert labels(store) == {"a": "positive", "b": "positive"}


def test_suggestions_can_be_hidden_from_the_start(store, texts, sit_down):
    add_query(store, texts[:2], suggestion="positive")
    person = sit_down("hidden")
    person.sees("0/2 answered", "[h] shows what the model suggests")
    person.press(ENTER, "1")
    person.sees("1/2 answered", "[h] shows what the model suggests")
    assert b"87%" not in person.raw
    assert log(store) == [("a", "label", "negative")]


def test_without_a_suggestion_there_is_nothing_to_accept(store, texts, sit_down):
    add_query(store, texts[:1])
    add_query(store, texts[1:2], suggestion="a label of another run")
    person = sit_down()
    person.sees("0/1 answered", without="Model")
    person.press(ENTER, "1", ENTER)
    person.sees("0/1 answered", first_words(texts[1]), without="Model")
    person.press(ENTER)
    person.sees("There is no suggestion to accept")
    assert log(store) == [("a", "label", "negative")]
