"""Undoing, correcting and commenting answers at the terminal, in a real pseudo-terminal."""

from support.label_queries import add_query, first_words, labels, log
from support.person import ENTER, ESC, LEFT, RIGHT


def test_undo_goes_back_to_the_first_answer(store, texts, sit_down):
    add_query(store, texts[:4])
    person = sit_down()
    person.sees("0/4 answered | 0 of 500 labels bought")
    for count, key in enumerate("12s", start=1):
        person.press(key)
        person.sees(f"{count}/4 answered")
    person.sees("2 of 500 labels bought")
    for left, taken in ((2, "skip"), (1, "positive"), (0, "negative")):
        person.press("u")
        person.sees(f"{left}/4 answered", f"Taken back: {taken}", first_words(texts[left]))
        person.look(0.15)
    person.press("u")
    person.sees("There is nothing to undo", "0/4 answered | 0 of 500 labels bought")
    assert store.current_answers() == {}
    for count, key in enumerate("2n12", start=1):  # what was taken back is asked again, in its order
        person.press(key)
        person.sees(f"{count}/4 answered")
    assert labels(store) == {"a": "positive", "b": None, "c": "negative", "d": "positive"}


def test_undo_reaches_earlier_queries_and_earlier_days(store, texts, sit_down):
    add_query(store, texts[:2], "seed")
    yesterday = sit_down()
    yesterday.sees("Seed set | 0/2 answered")
    yesterday.press("1", "2", ENTER)
    assert yesterday.leaves() == 0
    add_query(store, texts[2:4])
    person = sit_down()
    person.sees("Round 2 of 10 | 0/2 answered | 2 of 500 labels bought")
    person.press("1")
    person.sees("1/2 answered | 3 of 500")
    for bought, taken in ((2, texts[2]), (1, texts[1]), (0, texts[0])):
        person.press("u")
        person.sees(f"0/2 answered | {bought} of 500", first_words(taken))
        person.look(0.15)
    for key in ("2", "s", "1", "2"):
        person.press(key)
        person.look(0.15)
    person.sees("2/2 answered | 3 of 500 labels bought")
    assert labels(store) == {"a": "positive", "b": None, "c": "negative", "d": "positive"}
    assert [(a.example_id, a.query) for a in store.answers()][-4:] == [("a", 1), ("b", 1), ("c", 2), ("d", 2)]


def test_an_answer_is_changed_by_walking_back_to_it(store, texts, sit_down):
    add_query(store, texts[:4])
    person = sit_down()
    person.sees("0/4")
    person.press("1", "1", "s")
    person.sees("3/4 answered", first_words(texts[3]))
    person.press(LEFT)
    person.sees("Your answer 3/3: skip", first_words(texts[2]))
    person.press(LEFT, LEFT)
    person.sees("Your answer 1/3: negative", first_words(texts[0]))
    person.press(LEFT)
    person.sees("This is your first answer", "Your answer 1/3")
    person.press("2")
    person.sees("Your answer 1/3: positive", "Saved: positive", "3/4 answered", first_words(texts[0]))
    person.look(0.15)
    person.press("2")
    person.sees("That is the answer already: positive")
    person.press(RIGHT)
    person.sees("Your answer 2/3: negative")
    person.press("n")
    person.sees("Your answer 2/3: unsure", "1 of 500 labels bought")
    person.press(RIGHT, RIGHT)
    person.sees(first_words(texts[3]), without="Your answer")
    person.press(LEFT, LEFT)
    person.sees("Your answer 2/3")
    person.press(ESC)
    person.sees(first_words(texts[3]), without="Your answer")
    person.press("2")
    person.sees("4/4 answered")
    assert log(store)[3:] == [("a", "correct", "positive"), ("b", "unsure", None), ("d", "label", "positive")]


def test_undoing_a_correction_brings_the_earlier_answer_back(store, texts, sit_down):
    add_query(store, texts[:3])
    person = sit_down()
    person.sees("0/3")
    person.press("1", "2", LEFT, LEFT, "2")
    person.sees("Your answer 1/2: positive")
    person.press("u")
    person.sees("Your answer 1/2: negative", "Taken back: positive", first_words(texts[0]), "2/3 answered")
    person.look(0.15)
    person.press("u")  # the answer before the correction was the second
    person.sees("1/3 answered", "Taken back: positive", first_words(texts[1]))
    assert labels(store) == {"a": "negative"}


def test_comments_go_with_the_answer(store, texts, sit_down):
    add_query(store, texts[:3])
    person = sit_down()
    person.sees("0/3")
    person.press("c")
    person.sees("Comment:", "[Enter] saves")
    person.press("1 or 2? q")
    person.sees("Comment: 1 or 2? q")
    person.press(ENTER)
    person.sees("The comment is saved with your answer", "Comment: 1 or 2? q", "0/3 answered")
    assert log(store) == []
    person.press("1")
    person.sees("1/3 answered", without="Comment:")
    person.press("2", LEFT, "c", "an afterthought" + ENTER)
    person.sees("The comment is saved", "Comment: an afterthought", "Your answer 2/2: positive")
    person.press(LEFT, "c", " indeed" + ENTER)
    person.sees("Comment: 1 or 2? q indeed")
    person.press("2")  # another label keeps the comment
    person.sees("Your answer 1/2: positive", "Comment: 1 or 2? q indeed")
    person.press(RIGHT, "c", "\x15" + ENTER)  # Ctrl-U empties the line
    person.sees("Your answer 2/2", without="Comment:")
    person.press(ESC)
    person.sees("2/3 answered", first_words(texts[2]))
    person.press("c", "never mind" + ESC)
    person.sees("[1] negative", "[c] comment", without="never mind")
    person.press("c", "tricky" + ENTER, "s")
    person.sees("3/3 answered")
    person.press("u")
    person.sees("Comment: tricky", "2/3 answered")  # what was taken back keeps its comment until it is answered
    said = store.current_answers()
    assert {key: (said[key].label, said[key].comment) for key in said} == {
        "a": ("positive", "1 or 2? q indeed"),
        "b": ("positive", None),
    }
    assert [a.comment for a in store.answers() if a.action == "skip"] == ["tricky"]
