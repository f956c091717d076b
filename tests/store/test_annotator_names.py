"""Names that are recorded with answers, and those that mean something else than a person."""

import pytest

from hfal.errors import AnnotationError, ArgumentError
from hfal.store.annotator_names import check_annotator_name, check_is_of_team, check_person_name, check_team_names
from hfal.store.records import Answer, Queried, Query
from hfal.store.store import Store


@pytest.mark.parametrize("name", ["anna", "file", "Dr. Who", "Анна", "می‌خواهم", "数据", "data set", "annotator-1"])
def test_names_that_people_have(name: str) -> None:
    assert check_annotator_name(name) == check_person_name(name) == name


def test_a_program_may_be_called_what_no_person_may() -> None:
    for name in ("model:gpt", "simulated"):
        assert check_annotator_name(name) == name
        with pytest.raises(ArgumentError, match=f"^--annotator_name is '{name}', .* take another name$"):
            check_person_name(name, "--annotator_name")


def test_what_is_recorded_in_the_name_of_the_data_is_no_label(tmp_path) -> None:
    store = Store(tmp_path / "run")
    store.set_meta("label_names", ["negative", "positive"])
    examples = tuple(Queried(i, f"hash {i}", {"text": i}) for i in "ab")
    store.add_query(Query(0, "seed", "random", 0, examples))
    for name in ("dataset", "DATASET", "", "\t", "a\nb", "\ud800"):
        with pytest.raises(AnnotationError) as error:
            store.record(Answer("a", "positive", annotator=name))
        assert str(error.value).isprintable()
    store.record_given([(Answer("a", "positive", annotator="dataset"), "hash a", {"text": "a"})])
    store.record(Answer("a", action="undo", annotator="dataset"))  # which `Pool.record` offers
    assert store.current_answers() == {}
    store.close()


def test_names_of_several_people() -> None:
    assert check_team_names([]) == []
    assert check_team_names(("anna", "Ben B.", "王芳")) == ["anna", "Ben B.", "王芳"]
    assert check_team_names(["Anybody"]) == ["anybody"]
    for names, complaint in (
        (["anna", "ANNA"], "has 'anna' twice, or in other capitals: give each person a name"),
        (["anna", "anybody"], "has 'anybody' beside names: leave one or the other out"),
        (["anna", "simulated"], "is 'simulated', which means that no person labels: take another name"),
        (["anna", " ben"], "is ' ben', which begins or ends with a blank: leave it out"),
    ):
        with pytest.raises(ArgumentError) as error:
            check_team_names(names, "--annotators")
        assert str(error.value) == f"--annotators {complaint}"


def test_who_is_one_of_several_people() -> None:
    for name, names in (("zoe", []), ("zoe", ["anybody"]), (None, ["anybody"]), ("anna", ["ben", "anna"])):
        check_is_of_team(name, names)
    with pytest.raises(ArgumentError, match=r"^annotator_name is 'bne', but the .*: anna, ben. Did you mean 'ben'\?$"):
        check_is_of_team("bne", ["anna", "ben"])
    with pytest.raises(ArgumentError, match=r"^annotator_name is missing: say who you are, one of: anna, ben$"):
        check_is_of_team(None, ["anna", "ben"])
