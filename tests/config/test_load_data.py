"""What a person's file may look like, and which of its rows are the pool."""

import json
import logging
import os
from pathlib import Path
from typing import Any

import pytest
from datasets import ClassLabel, Dataset, DatasetDict

from hfal import ActiveLearningCallback, Pool
from hfal.config.arguments import ActiveLearningArguments
from hfal.config.load_data import columns_named, load_data
from hfal.errors import ArgumentError


@pytest.fixture(autouse=True)
def _own_cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("datasets.config.HF_DATASETS_CACHE", tmp_path_factory.mktemp("cache"))


@pytest.fixture
def load(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A function that loads a file with this content, as `hfal run` with these options does."""
    monkeypatch.chdir(tmp_path)

    def load(content: str | list[dict[str, Any]], seed: int = 42, **options: Any) -> tuple[Dataset, Dataset | None]:
        if isinstance(content, str):
            path = tmp_path / "reviews.csv"
            path.write_text(content, encoding="utf-8")
        else:
            path = tmp_path / "reviews.jsonl"
            path.write_text("".join(json.dumps(row) + "\n" for row in content), encoding="utf-8")
        al = ActiveLearningArguments(**{"data": path.name, **options})
        found = load_data(al, tmp_path / "runs" / "reviews", seed)
        load.labels = found.labels
        return found.pool, found.evaluation

    return load


def error(load: Any, content: Any, **options: Any) -> str:
    with pytest.raises(ArgumentError) as caught:
        load(content, **options)
    assert "\n" not in str(caught.value)
    return str(caught.value)


BOTH = {"labels": ["negative", "positive"]}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"label": ""}, "--label is empty: give it a value, or leave it out"),
        ({"max_length": 10**20}, f"--max_length is {10**20}, expected less than 2**63"),
        (
            {"export": "runs/reviews"},
            "--export is 'runs/reviews', the run directory itself: name another folder,",
        ),
        ({"export": "runs/reviews/query-001.csv"}, "--export: to='runs/reviews/query-001.csv' is called as the files"),
    ],
    ids=str,
)
def test_options_that_cannot_work(load: Any, options: dict[str, Any], message: str) -> None:
    assert error(load, "text\na\nb\n", **BOTH, **options).startswith(message)


def test_a_pipe_is_no_data(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.csv")
    with pytest.raises(ArgumentError, match=r"pipe\.csv is a pipe, expected a file, .*: write the data to a file"):
        load_data(ActiveLearningArguments(data=str(tmp_path / "pipe.csv"), **BOTH), tmp_path / "run", 42)


# -- texts ---------------------------------------------------------------------------------------------------------


def test_a_row_without_a_text_is_named_as_a_spreadsheet_counts_it(load: Any) -> None:
    found = error(load, 'text,x\ngood,1\n"two\nlines",1\n,1\nbad,1\n  ,1\n', **BOTH)
    assert found.startswith(
        "reviews.csv has no text in column 'text' of rows 4, 6 (row 1 names the columns): fill it in, delete such"
    )
    filtered = error(load, "text,x\ngood,1\n,0\n,1\n", data_filter="x=1", **BOTH)
    assert "row 4 (" in filtered  # of the file, not of what the filter left

    rows = [{"text": "good"}, {"text": None}]
    assert "no text in column 'text' of row 2: fill it in, delete such rows, or" in error(load, rows, **BOTH)
    assert "no text in column 'text' of row 1:" in error(load, [{"text": " \t"}, {"text": "good"}], **BOTH)


def test_all_blank_rows_are_named_up_to_twenty(load: Any) -> None:
    rows = [{"text": "good" if n % 2 else ""} for n in range(60)]
    numbers = ", ".join(str(2 * n + 1) for n in range(20))
    assert f"of rows {numbers} and 10 more: fill it in" in error(load, rows, **BOTH)
    pairs = [{"a": "x", "b": None}, {"a": None, "b": "y"}, {"a": "x", "b": "y"}]
    assert "no text in column 'a' or 'b' of rows 1, 2: " in error(load, pairs, text=["a", "b"], **BOTH)
    ids = [{"text": "good", "key": "1"}, {"text": "bad", "key": None}, {"text": "so", "key": " "}]
    found = error(load, ids, id="key", **BOTH)
    assert found == (
        "reviews.jsonl has no id in column 'key' of rows 2, 3: fill it in, or leave --id out to have ids made from "
        "the text"
    )
    words = [{"tokens": ["a"]}, {"tokens": []}, {"tokens": None}, {"tokens": ["b"]}]
    found = error(load, words, text=["tokens"], labels=["PER"])
    assert found.startswith("reviews.jsonl, rows 2, 3: no words in column 'tokens': fill it in, delete such rows, or")


def test_blank_rows_are_left_out_where_it_is_said(load: Any, caplog: pytest.LogCaptureFixture) -> None:
    content = "text,x\ngood,1\n,2\nbad,3\n  ,4\nso,\n"
    pool, _ = load(content, skip_blank=True, **BOTH)
    assert pool.to_dict() == {"text": ["good", "bad", "so"], "x": ["1", "3", None]}
    assert "--skip_blank leaves out 2 rows of reviews.csv without a text: rows 3, 5 (row 1 names" in caplog.text
    caplog.clear()
    load("text\ngood\nbad\n", skip_blank=True, **BOTH)
    assert "--skip_blank" not in caplog.text
    assert "no text in column 'text' of any row" in error(load, "text,x\n,1\n ,2\n", skip_blank=True, **BOTH)
    # A later error is still counted in the rows of the file.
    found = error(load, "text,label\n,a\ngood,a\nbad,c\n", label="label", labels=["a", "b"], skip_blank=True)
    assert "the label 'c' in column 'label' of row 4 (" in found

    pairs = [{"a": "x", "b": ""}, {"a": "x", "b": None}, {"a": "", "b": " "}, {"a": "", "b": "y"}]
    assert load(pairs, text=["a", "b"], skip_blank=True, **BOTH)[0]["b"][:] == ["", "y"]
    words = [{"tokens": ["a"]}, {"tokens": []}, {"tokens": None}, {"tokens": ["b"]}]
    assert load(words, text=["tokens"], labels=["PER"], skip_blank=True)[0]["tokens"][:] == [["a"], ["b"]]
    raw = [{"text": "Ann"}, {"text": " \u200b"}, {"text": None}]
    found = load(raw, task="token_classification", labels=["PER"], skip_blank=True)[0]
    assert found["text"][:] == ["Ann"]


def test_blank_rows_change_neither_ids_nor_the_draw(load: Any, tmp_path: Path) -> None:
    rows = [{"text": f"text {n}", "label": "ab"[n % 2]} for n in range(60)]
    options = {"label": "label", "pool_size": 20, "eval_size": 10}
    pool, evaluation = load(rows, **options)
    with_blank = [*rows[:30], {"text": "", "label": "a"}, *rows[30:], {"text": None, "label": "b"}]
    (tmp_path / "cache").mkdir()
    again, evaluated = load(with_blank, skip_blank=True, **options)
    assert (again["text"][:], evaluated["text"][:]) == (pool["text"][:], evaluation["text"][:])
    first, second = (Pool(data, tmp_path / n, "text", "label") for n, data in (("one", pool), ("two", again)))
    assert first.ids == second.ids


def test_a_filter_without_a_column_is_refused_and_one_without_a_value_means_empty_cells(load: Any) -> None:
    for text in ("=", "=b", "==", "=a=b"):
        assert f"--data_filter is {text!r}, expected COLUMN=VALUE" in error(
            load, "text\na\n", data_filter=text, **BOTH
        )
    pool, _ = load("text,x\na,1\nb,\nc, \nd,None\n", data_filter="x=", **BOTH)
    assert pool["text"][:] == ["b", "c"]


def test_a_name_of_a_column_may_have_commas(load: Any) -> None:
    content = '"Notes, misc",title,"a,b"\ngood,x,1\nbad,y,2\n'
    assert load(content, text=["Notes", "misc"], **BOTH)[0].column_names == ["Notes, misc", "title", "a,b"]
    # Excel in a country with a decimal comma.
    assert load(content.replace(",", ";").replace("Notes; ", "Notes, "), text=["Notes", "misc"], **BOTH)[0]["title"]
    assert "no column 'Notes'. Did you mean 'Notes, misc'?" in error(load, content, text=["Notes", "x"], **BOTH)


@pytest.mark.parametrize(
    ("names", "columns"),
    [
        (["Notes", "misc"], ["Notes, misc"]),
        (["title", "Notes", "misc"], ["title", "Notes, misc"]),
        (["Notes, misc", "title"], ["Notes, misc", "title"]),  # as a list in YAML has it
        (["x", "y"], ["x", "y"]),  # two columns that are there are meant, and not the one
        (["x", "y", "z"], ["x,y,z"]),
        (["Notes", "other"], ["Notes", "other"]),
        ([], []),
    ],
)
def test_columns_named(names: list[str], columns: list[str]) -> None:
    assert columns_named(names, ["title", "Notes, misc", "x", "y", "x,y", "x,y,z"]) == columns


def test_one_text_of_a_pair_may_be_blank_but_not_both(load: Any) -> None:
    rows = [{"a": "good", "b": ""}, {"a": "", "b": "bad"}]
    assert load(rows, text=["a", "b"], **BOTH)[0]["b"][:] == ["", "bad"]
    assert "row 3:" in error(load, [*rows, {"a": "", "b": " "}], text=["a", "b"], **BOTH)
    assert "column 'b' of row 3:" in error(load, [*rows, {"a": "x", "b": None}], text=["a", "b"], **BOTH)


def test_words_that_mean_nothing_to_pandas_are_texts_and_labels(load: Any) -> None:
    data, _ = load("text,label\nNA,None\nnull,NA\nnan,None\n", label="label", labels=["NA", "None"])
    assert data["text"][:] == ["NA", "null", "nan"]
    assert data["label"][:] == [1, 0, 1]


def test_a_column_of_numbers_is_not_the_text(load: Any) -> None:
    assert "column 'stars' of reviews.csv holds nothing but numbers" in error(
        load, "stars,text\n4,good\n1.5,bad\n", text=["stars"], **BOTH
    )
    data, _ = load("year,text\n1999,good\n2001,007\n", text=["year", "text"], **BOTH)  # beside a text they may be
    assert data.to_dict() == {"year": ["1999", "2001"], "text": ["good", "007"]}
    rows = [{"stars": 4, "text": "good"}]
    assert error(load, rows, text=["stars"], **BOTH) == (
        "column 'stars' of reviews.jsonl holds int64, not text; the columns of text are: text"
    )


# -- labels --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("cells", "names", "labels", "indices"),
    [
        (["b", "a", "", "b"], None, ["a", "b"], [1, 0, None, 1]),
        (["b", "a", "", "b"], ["b", "a"], ["b", "a"], [0, 1, None, 0]),
        (["1", "0", "", "1"], ["negative", "positive"], ["negative", "positive"], [1, 0, None, 1]),
        (["1", "0", "", "1"], None, ["0", "1"], [1, 0, None, 1]),
        (["10", "2", "9", "2"], None, ["2", "9", "10"], [2, 0, 1, 0]),
        (["1", "3", "2", ""], ["1", "2", "3"], ["1", "2", "3"], [0, 2, 1, None]),  # names, which do not begin at 0
        (["-1", "0", "1", ""], None, ["-1", "0", "1"], [0, 1, 2, None]),
        (["-1", "0", "1", ""], ["-1", "0", "1"], ["-1", "0", "1"], [0, 1, 2, None]),
        ([" a", "b ", " ", "a"], ["a", "b"], ["a", "b"], [0, 1, None, 0]),
        (["True", "False", "", ""], None, ["False", "True"], [1, 0, None, None]),
    ],
)
def test_labels_of_a_csv_file(load: Any, cells: list[str], names: Any, labels: list[str], indices: list[Any]) -> None:
    content = "text,label\n" + "".join(f"text {row},{cell}\n" for row, cell in enumerate(cells))
    data, _ = load(content, label="label", labels=names)
    assert load.labels == labels
    assert data.features["label"] == ClassLabel(names=labels)
    assert data["label"][:] == indices


@pytest.mark.parametrize(
    ("values", "names", "labels", "indices"),
    [
        ([1, 0, None, -1], ["negative", "positive"], ["negative", "positive"], [1, 0, None, None]),
        ([1, 2, None, -1], None, ["1", "2"], [0, 1, None, None]),
        ([-1, 0, 1, None], ["-1", "0", "1"], ["-1", "0", "1"], [0, 1, 2, None]),
        ([5, 1, 3, 1], ["1", "2", "3", "4", "5"], ["1", "2", "3", "4", "5"], [4, 0, 2, 0]),
        ([True, False, None, True], None, ["false", "true"], [1, 0, None, 1]),
        ([True, False, None, True], ["no", "yes"], ["no", "yes"], [1, 0, None, 1]),
        ([True, False, None, True], ["True", "False"], ["True", "False"], [0, 1, None, 0]),
        (["b", "a", None, ""], None, ["a", "b"], [1, 0, None, None]),
    ],
)
def test_labels_of_json_lines(load: Any, values: list[Any], names: Any, labels: list[str], indices: list[Any]) -> None:
    data, _ = load([{"text": f"text {n}", "y": value} for n, value in enumerate(values)], label="y", labels=names)
    assert (load.labels, data.features["y"]) == (labels, ClassLabel(names=labels))
    assert data["y"][:] == indices


def test_labels_of_a_data_set_that_names_them(tmp_path: Path) -> None:
    rows = Dataset.from_dict({"text": ["a", "b", "c"], "label": [1, 0, -1]})
    rows = rows.cast_column("label", ClassLabel(names=["good", "bad"]))
    DatasetDict(train=rows, test=rows.select([0, 1])).save_to_disk(tmp_path / "saved")
    al = ActiveLearningArguments(data=str(tmp_path / "saved"), label="label", eval_split="test")
    found = load_data(al, tmp_path / "run", 42)
    assert found.labels == ["good", "bad"]
    assert (found.pool["label"][:], found.evaluation["label"][:]) == ([1, 0, -1], [1, 0])
    al = ActiveLearningArguments(data=str(tmp_path / "saved"), label="label", labels=["bad", "good"])
    data = load_data(al, tmp_path / "run", 42).pool
    assert data["label"][:] == [0, 1, None]  # by name


def test_a_label_that_is_none_of_the_names_is_found_with_its_row(load: Any) -> None:
    content = "text,label\na,positive\nb,negative\nc,postive\nd,neutral\n"
    assert error(load, content, label="label", **BOTH) == (
        "reviews.csv has the label 'neutral' in column 'label' of row 5 (row 1 names the columns), which is none of "
        "--labels negative,positive. (and so are 1 others) "
        "Without --labels they are negative,neutral,positive,postive."
    )
    found = error(load, content.replace("neutral", "positive"), label="label", **BOTH)
    assert "row 4 " in found
    assert "Did you mean 'positive'?" in found
    assert "'2' in column 'label' of row 4" in error(load, "text,label\na,0\nb,1\nc,2\n", label="label", **BOTH)


def test_a_name_without_a_label_is_said_and_no_error(load: Any, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, logger="hfal")
    load("text,label\na,positive\nb,negative\n", label="label", labels=["negative", "neutral", "positive"])
    assert [record.getMessage() for record in caplog.records] == ["no row of reviews.csv has the label neutral"]
    caplog.clear()
    load("text,label\na,\nb,\n", label="label", **BOTH)  # nothing is labeled yet
    assert not caplog.records


@pytest.mark.parametrize(
    ("content", "options", "message"),
    [
        ("text\na\n", {}, "--labels is missing: name the labels"),
        ("text\na\n", {"labels": ["spam"]}, "--labels is spam, expected two or more different names .*--label"),
        ("text\na\n", {"labels": ["a", "b", "a"]}, "--labels is a,b,a, expected two or more different names"),
        ("text,y\na,spam\nb,spam\n", {"label": "y"}, "column 'y' of reviews.csv has only the label 'spam': name all"),
        ("text,y\na,\nb,\n", {"label": "y"}, "column 'y' of reviews.csv has no label: name all there are to be"),
        (
            "text,y\n" + "".join(f"text {n},price {n}\n" for n in range(60)),
            {"label": "y"},
            "has 60 different labels, 'price 0' for one",
        ),
        ("text\na\n", {"eval_size": 1, **BOTH}, "--eval_size needs labels: name their column with --label"),
        ("text\na\n", {"eval_split": "test", **BOTH}, "--eval_split needs labels"),
        ("text,y\na,0\nb,1\n", {"eval_split": "test", "label": "y", **BOTH}, "has no splits, and all of it would be"),
        ("text,y\na,0\n", {"eval_split": "test", "eval_size": 1, "label": "y", **BOTH}, "leave one of them out"),
        ("text\na\n", {"pool_size": 0, **BOTH}, "--pool_size is 0, expected at least 1"),
        ("text\na\n", {"data_filter": "text", **BOTH}, "--data_filter is 'text', expected COLUMN=VALUE"),
        (
            "text\na\n",
            {"data_filter": "text=b", **BOTH},
            "--data_filter is 'text=b', but no row of reviews.csv is like",
        ),
        ("text\na\n", {"data_filter": "txt=b", **BOTH}, "no column 'txt'. Did you mean 'text'"),
        ("text\na\n", {"text": ["text", "text"], **BOTH}, "--text is text,text, which names the column 'text' twice"),
        ("text\na\n", {"label": "text", **BOTH}, "--text is text, which names the column 'text' as --label does"),
        ("text\na\n", {"export": "x.xlsx", **BOTH}, "--export: to='x.xlsx': files may end in"),
        ("text\na\n", {"export": "x.conll", **BOTH}, "--export: to='x.conll': CoNLL files are for tags of words"),
        ("text\na\n", {"id": "number", **BOTH}, "no column 'number'"),
        (
            "text,y\na,0\nb,1\nc,\n",
            {"eval_size": 3, "label": "y"},
            "--eval_size is 3, but of 3 rows only 2 have a",
        ),
        ("text,y\na,0\nb,1\n", {"eval_size": 2, "label": "y"}, "--eval_size is 2 of 2 rows, which leaves none to ask"),
    ],
    ids=str,
)
def test_options_that_do_not_fit_the_data(load: Any, content: str, options: dict[str, Any], message: str) -> None:
    with pytest.raises(ArgumentError, match=message.replace("(", r"\(")):
        load(content, **options)


def test_labels_that_are_no_labels(load: Any) -> None:
    rows = [{"text": "a", "y": [0, 1]}]
    message = error(load, rows, label="y", task="text_classification", **BOTH)
    assert "column 'y' of reviews.jsonl holds lists, expected the names of labels" in message
    assert "say --task multi_label_classification" in message
    rows = [{"text": "a", "y": 0.5}]
    assert "column 'y' of reviews.jsonl holds float64" in error(load, rows, label="y", **BOTH)


@pytest.mark.parametrize(
    ("rows", "others", "message"),
    [
        (
            [("a", "pos"), ("b", "neg")],
            [("c", 0), ("d", 1)],
            "has the label '0' in column 'label' of row 1, which is none",
        ),
        (
            [("a", 1), ("b", 2)],
            [("c", 0)],
            "has the label '0' in column 'label' of row 1, which is none of --labels 1,2",
        ),
        (
            [("a", ["y", "x"]), ("b", [])],
            [("c", [0])],
            "row 1: the label 0 in column 'label' is none of label_names: x, y",
        ),
        (
            [(["a"], ["B-X"]), (["b"], ["O"])],
            [(["c"], [1])],
            "has numbers here, and nothing says which of the tags O,",
        ),
    ],
)
def test_numbers_do_not_count_labels_that_nobody_has_put_in_order(
    tmp_path: Path, rows: list[Any], others: list[Any], message: str
) -> None:
    for name, part in (("train", rows), ("test", others)):
        lines = [json.dumps({"text": text, "label": label}) + "\n" for text, label in part]
        (tmp_path / f"{name}.jsonl").write_text("".join(lines))
    al = ActiveLearningArguments(data=str(tmp_path), label="label", eval_split="test")
    with pytest.raises(ArgumentError) as caught:
        load_data(al, tmp_path / "run", 42)
    assert message in str(caught.value)


def test_numbers_count_the_labels_in_the_order_that_is_given(tmp_path: Path) -> None:
    (tmp_path / "train.csv").write_text("text,label\na,neg\nb,pos\n")
    (tmp_path / "test.csv").write_text("text,label\nc,0\nd,1\n")
    al = ActiveLearningArguments(data=str(tmp_path), label="label", eval_split="test", labels=["pos", "neg"])
    found = load_data(al, tmp_path / "run", 42)
    assert found.pool["label"][:] == [1, 0]
    assert found.evaluation["label"][:] == [0, 1]


# -- the draw ------------------------------------------------------------------------------------------------------

ROWS = [{"text": f"text {n}", "label": n % 2} for n in range(200)]


def begin(pool_data: Dataset, run_dir: Path) -> set[str]:
    """Have the seed set asked, as a run begins; returns its texts."""
    pool = Pool(pool_data.add_column("input_ids", [[1]] * len(pool_data)), run_dir, "text", "label")
    query = ActiveLearningCallback(pool, query_size=10).acquisition.first.propose_seed_set()
    pool.store.close()
    return {example.texts["text"] for example in query.examples}


def test_rows_that_are_appended_join_the_pool_and_change_no_draw(load: Any, tmp_path: Path) -> None:
    options = {"label": "label", "pool_size": 100, "eval_size": 40}
    data, evaluation = load(ROWS, **options)
    assert (len(data), len(evaluation)) == (100, 40)
    assert not set(data["text"]) & set(evaluation["text"])
    asked = begin(data, tmp_path / "runs" / "reviews")

    new = [{"text": f"new {n}", "label": n % 2} for n in range(200)]
    for rows in (ROWS + new, new + ROWS[::-1]):
        grown, same = load(rows, **options)
        assert set(same["text"]) == set(evaluation["text"])  # the metrics stay comparable
        assert set(data["text"]) < set(grown["text"])
        assert asked < set(grown["text"])
        joined = len(set(grown["text"]) - set(data["text"]))
        assert 100 < joined < 160  # about 140 of the 200: what the hash of the last row lets in
    assert len(load(ROWS + new, seed=7, **options)[0]) == len(grown)  # nor does another seed change them


def test_without_sizes_all_new_rows_join(load: Any, tmp_path: Path) -> None:
    data, evaluation = load(ROWS[:100], label="label")
    assert (len(data), evaluation) == (100, None)
    begin(data, tmp_path / "runs" / "reviews")
    assert load(ROWS, label="label")[0]["text"][:] == [row["text"] for row in ROWS]


def test_sizes_are_settled_when_the_first_query_is_made(load: Any, tmp_path: Path) -> None:
    load(ROWS, label="label", eval_size=40)
    data, evaluation = load(ROWS, label="label", eval_size=20)  # nothing was asked yet
    assert len(evaluation) == 20
    begin(data, tmp_path / "runs" / "reviews")
    for options, words in (
        ({"eval_size": 40}, "--eval_size is 40, but the run in"),
        ({}, "began with 20, and which rows these are is settled"),
        ({"eval_size": 20, "pool_size": 50}, "--pool_size is 50"),
    ):
        assert words in error(load, ROWS, label="label", **options)
    assert len(load(ROWS, label="label", eval_size=20)[1]) == 20


def test_a_run_that_began_without_a_draw_gets_none_later(load: Any, tmp_path: Path) -> None:
    begin(load(ROWS, label="label")[0], tmp_path / "runs" / "reviews")
    assert "--eval_size is 40, but the run" in error(load, ROWS, label="label", eval_size=40)


def test_the_same_text_is_on_one_side(load: Any) -> None:
    rows = [{"text": f"text {n // 4}", "label": n % 2} for n in range(200)]
    data, evaluation = load(rows, label="label", eval_size=50)
    assert len(evaluation) in range(50, 54)
    assert len(data) + len(evaluation) == 200
    assert not set(data["text"]) & set(evaluation["text"])


def test_only_labeled_rows_are_evaluated_on(load: Any) -> None:
    rows = [{**row, "label": row["label"] if n % 3 else None} for n, row in enumerate(ROWS)]
    data, evaluation = load(rows, label="label", eval_size=50, pool_size=140)
    assert (len(data), len(evaluation)) == (140, 50)
    assert None not in evaluation["label"][:]
    assert data["label"][:].count(None) > 50


def test_an_unlabeled_copy_of_an_evaluated_text_is_neither_evaluated_on_nor_asked(load: Any) -> None:
    rows = [{**row, "label": label} for row in ROWS for label in (row["label"], None)]
    data, evaluation = load(rows, label="label", eval_size=50)
    assert len(evaluation) == 50
    assert None not in evaluation["label"][:]
    assert len(data) == 300
    assert not set(data["text"]) & set(evaluation["text"])


def test_another_seed_draws_other_rows(load: Any, tmp_path: Path) -> None:
    one, two = (load(ROWS, seed=seed, label="label", eval_size=40)[1]["text"][:] for seed in (1, 2))
    assert len(set(one) & set(two)) < 20
    assert load(ROWS[::-1], seed=1, label="label", eval_size=40)[1]["text"][::-1] == one


def test_text_pairs_are_drawn_by_both_texts(load: Any) -> None:
    rows = [{"a": "the same in all rows", "b": row["text"], "label": row["label"]} for row in ROWS]
    data, evaluation = load(rows, text=["a", "b"], label="label", eval_size=40, pool_size=100)
    assert (len(data), len(evaluation)) == (100, 40)


# -- who labels ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["dataset", "", " ", "anna\n", "a\x1b[2J", "simulated", "model:gpt"])
def test_a_name_that_no_person_may_have_is_found_before_anything_is_made(load: Any, tmp_path: Path, name: str) -> None:
    assert error(load, "text\ngood\nbad\n", annotator_name=name, **BOTH).startswith("--annotator_name is '")
    assert not (tmp_path / "runs").exists()


# -- labels that look alike ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("label", [None, "y"])
def test_labels_that_look_alike_are_refused_before_anything_is_made(
    load: Any, tmp_path: Path, label: str | None
) -> None:
    found = error(
        load,
        "text,y\na,caf\u00e9\nb,cafe\u0301\n",
        **({"label": "y"} if label else {"labels": ["caf\u00e9", "cafe\u0301"]}),
    )
    start = "--label: column 'y'" if label else "--labels"
    assert found.startswith(f"{start} has two names that look alike, 'caf")
    assert not (tmp_path / "runs").exists()


def test_a_label_in_another_normal_form_is_named(load: Any) -> None:
    found = error(load, "text,y\na,cafe\u0301\nb,bar\n", label="y", labels=["caf\u00e9", "bar"])
    assert "row 2 (row 1 names the columns), which is none of --labels" in found
    assert "('cafe\\u0301' looks like 'caf\\xe9': write it with the same characters)" in found


@pytest.mark.parametrize("cell", ["|", " ; ", ",", "| |"])
def test_a_separator_alone_is_no_set_of_labels(load: Any, cell: str) -> None:
    options = {"label": "y", "labels": ["LOC", "PER"], "task": "multi_label_classification"}
    found = error(load, f'text,y\na,LOC | PER\nb,"{cell}"\n', **options)
    assert found.startswith(
        f"reviews.csv, row 3 (row 1 names the columns): column 'y': {cell.strip()!r} names no label"
    )
    assert load("text,y\na,LOC | PER\nb,none\nc,PER |\n", **options)[0]["y"][:] == [["LOC", "PER"], [], ["PER"]]


def test_a_run_directory_that_is_a_file(load: Any, tmp_path: Path) -> None:
    (tmp_path / "runs").mkdir()
    (tmp_path / "runs" / "reviews").write_text("mine")
    assert "runs/reviews', which is no folder: name a folder, or a new one" in error(load, "text\na\nb\n", **BOTH)


def test_what_is_no_file_is_no_place_for_an_export(load: Any, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "labels.csv")
    (tmp_path / "folder.csv").mkdir()
    content = "text\na\nb\n"
    assert "--export: " in error(load, content, export="labels.csv", **BOTH)
    assert "labels.csv is there and no export of this run" in error(load, content, export="labels.csv", **BOTH)
    assert "to='folder.csv' is a folder called as a file: end" in error(load, content, export="folder.csv", **BOTH)
    load(content, export="folder.csv/", **BOTH)


@pytest.mark.parametrize("options", [BOTH, {"task": "token_classification", "labels": ["PER"]}], ids=["text", "words"])
@pytest.mark.parametrize("cell", [["a", "b"], {"a": 1}], ids=str)
def test_texts_are_not_lists_or_objects_in_some_rows(load: Any, cell: Any, options: dict[str, Any]) -> None:
    rows: list[dict[str, Any]] = [{"text": f"text {row}"} for row in range(5)]
    rows[2] = {"text": cell}
    said = error(load, rows, **options)
    assert said == (
        "column 'text' of reviews.jsonl has lists or objects in some rows, and texts in others, such as row 3: write "
        "the same in all rows"
    )
    assert "such as row 1: write" in error(load, [rows[0], rows[2], rows[2]], **options)


def test_a_simulation_needs_all_labels(load: Any) -> None:
    content = "text,label\na,yes\nb,\nc,no\nd,\n"
    options = {"label": "label", "annotator": "simulated"}
    said = error(load, content, **options)
    assert said.startswith(
        "--annotator is simulated, but 2 of 4 rows of reviews.csv have no label in column 'label', such as row 3 "
    )
    load(content, label="label")  # some are labeled already, and the rest by people
    load(content.replace(",\n", ",no\n"), **options)


# -- labels that are not what they seem ----------------------------------------------------------------------------


def warnings_of(caplog: pytest.LogCaptureFixture) -> list[str]:
    found = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
    caplog.clear()
    return found


def test_a_column_with_labels_that_no_option_names_is_warned_of_once(load, tmp_path, caplog):
    content = "text,label\na b,no\nc d,Yes\ne f,\n"
    rows, _ = load(content, labels=["No", "Yes"])
    (warning,) = warnings_of(caplog)
    assert "'label' of reviews.csv" in warning
    assert "--label label" in warning
    Pool(rows, tmp_path / "run", "text", label_names=["No", "Yes"])  # as a recipe makes it
    assert warnings_of(caplog) == []
    load(content, labels=["No", "Yes"], show=["label"])
    load(content, labels=["good", "bad"])
    load("text,label\na b,No\nc d,Yes\ne f,\n", labels=["No", "Yes"], label="label")
    assert warnings_of(caplog) == []


def test_labels_that_differ_in_capitals_alone_are_warned_of(load, tmp_path, caplog):
    load("text,label\na b,positive\nc d,Positive \ne f,negative\n", label="label")
    (warning,) = warnings_of(caplog)
    assert "'Positive' and 'positive'" in warning
    load([{"text": "a b", "label": ["pos", "POS"]}, {"text": "c d", "label": ["neg"]}], label="label")
    (warning,) = warnings_of(caplog)
    assert "'POS' and 'pos'" in warning
    load([{"text": "a b", "label": [[0, 1, "Per"]]}, {"text": "c d", "label": [[0, 1, "PER"]]}], label="label")
    (warning,) = warnings_of(caplog)
    assert "'PER' and 'Per'" in warning
    Pool(Dataset.from_dict({"text": ["a", "b"], "y": ["pos", "POS"]}), tmp_path / "run", "text", "y")
    (warning,) = warnings_of(caplog)
    assert "'POS' and 'pos'" in warning


def test_many_empty_lists_are_warned_of_since_tools_write_them_for_texts_nobody_has_seen(load, caplog):
    spans = [{"start": 0, "end": 1, "label": "PER"}]
    load([{"text": "a b", "label": label} for label in (spans, [], [], None)], label="label")
    (warning,) = warnings_of(caplog)
    assert "2 of 3 rows with labels" in warning
    assert "no entity" in warning
    assert "null" in warning
    load([{"text": "a b", "label": label} for label in (spans, [], None)], label="label")
    assert warnings_of(caplog) == []
    load([{"text": "a b", "label": label} for label in (["x"], [], [])], label="label", labels=["x", "y"])
    (warning,) = warnings_of(caplog)
    assert "2 of 3 rows with labels" in warning
    assert "none of the labels" in warning


def test_ids_that_several_rows_have_are_found_before_a_model_is_loaded(load):
    content = "nr,text\n1,a b\n2,c d\n1,e f\n"
    with pytest.raises(ArgumentError, match=r"has 1 id more than once in column 'nr', for one '1': .* leave --id out"):
        load(content, labels=["no", "yes"], id="nr")
