"""The virtual clock of the benchmark that says what it costs to ask while a round trains."""

from hfal.recipes.benchmarks.staleness import EACH, LABELS, SECONDS, Clock


def test_rounds_that_are_waited_for_train_on_all_labels_so_far():
    clock = Clock(lambda labels: 60.0 + labels)
    for _ in range(LABELS // EACH):
        clock.label(EACH)
        clock.wait()
    counts = range(EACH, LABELS + 1, EACH)
    ends = [sum(EACH * SECONDS + 60 + n for n in range(EACH, count + 1, EACH)) for count in counts]
    assert clock.rounds == list(zip(ends, counts, strict=True))


def test_beside_a_training_labels_go_on_and_the_next_round_has_them():
    clock = Clock(lambda labels: 150.0)
    clock.label(EACH)  # until 100 s: a round trains from then to 250 s
    clock.label(EACH)  # 104 to 200 s
    assert clock.rounds == []
    clock.label(EACH)  # 204 to 300 s: at 250 s 62 labels are in
    assert clock.rounds == [(250.0, 25)]
    assert clock.training == (400.0, 62)
    clock.wait()
    assert clock.rounds[-1] == (400.0, 62)
    assert clock.training is None  # 75 labels are fewer than 25 more
    clock.label(20)
    assert clock.training == (400.0 + 12 * SECONDS + 150, 87)
