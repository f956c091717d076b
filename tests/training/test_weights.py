"""The checkpoints and models of rounds on the disk."""

from hfal.training.weights import last_complete_checkpoint


def test_only_complete_checkpoints_of_this_round_count(tmp_path):
    for step, content in ((5, "{}"), (10, "{}"), (15, '{"epoch": 1.'), (20, None)):
        (tmp_path / f"checkpoint-{step}").mkdir()
        if content is not None:
            (tmp_path / f"checkpoint-{step}" / "trainer_state.json").write_text(content)
    assert last_complete_checkpoint(tmp_path) == str(tmp_path / "checkpoint-10")
    (tmp_path / "checkpoint-10" / "checkpoint-is-incomplete.txt").touch()
    assert last_complete_checkpoint(tmp_path) == str(tmp_path / "checkpoint-5")
    assert last_complete_checkpoint(tmp_path / "nothing") is None


def test_old_models_and_checkpoints_are_removed(make_active, make_trainer):
    for keep, kept in ((1, ["003"]), (2, ["002", "003"]), (None, ["001", "002", "003"])):
        active = make_active(f"{make_trainer([]).args.output_dir}-{keep}", keep_models=keep)
        active.run(make_trainer([active], save_strategy="epoch"), rounds=3)
        rounds = active.pool.run_dir / "rounds"
        assert sorted(p.parent.name for p in rounds.glob("*/model")) == kept
        assert list(rounds.glob("*/checkpoint-*")) == []
