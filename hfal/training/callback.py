"""The callback for the user's own Trainer: it scores and selects when training ends."""

import os
import signal
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from types import FrameType
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from transformers import Trainer, TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from hfal.acquisition.draws import COMMITTEE_OF_ROUNDS, Committee
from hfal.acquisition.options import QUERY_SIZES, QueryOptions
from hfal.acquisition.queries import Acquisition
from hfal.annotators.asking import ask, check_annotator, check_team, collect
from hfal.annotators.base import Annotator
from hfal.data.pool import Pool
from hfal.errors import ArgumentError
from hfal.stopping.criteria import Criterion, Target
from hfal.stopping.expressions import parse_stop
from hfal.store.round_records import RoundRecords
from hfal.strategies import Hybrid, Ranks, Schedule, Subset, resolve_schedule
from hfal.strategies.selection import SelectFunction
from hfal.tasks.kinds import TASK_OF_FAMILY
from hfal.training.epochs import check_steps
from hfal.training.estimate import Estimator
from hfal.training.loop import Loop, Round, RoundTraining, owned
from hfal.training.options import LoopOptions, check_estimates
from hfal.training.round_metrics import without_timings
from hfal.training.weights import saving_checkpoints
from hfal.utils.distributed import gather, is_main, on_main, rank_and_size
from hfal.utils.output import get_logger


if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

logger = get_logger(__name__)

_PASSES = 10


class ActiveLearningCallback(TrainerCallback):
    """Scores the unlabeled examples when training ends, and picks the next ones to label.

    Give it to a Trainer and let `run` drive the rounds, or write the loop yourself:

        for round in active.rounds(trainer, 10):
            trainer.train(resume_from_checkpoint=round.checkpoint)

    Without the loop, `Trainer(train_dataset=pool.labeled, callbacks=[active]).train()` trains once and proposes one
    query, for which `annotate` then asks.

    Args:
        pool (`Pool`):
            The examples, and where the run is kept.
        strategy (`str`, function or object that combines them, *optional*, defaults to `"margin+kmeans"`):
            The query strategy: a name, a function `score(probabilities)`, `score(draws)`, `score(signals)` or
            `select(signals, k, rng)`, or a `Hybrid`, `Ranks`, `Subset` or `Schedule`. For token classification also a
            `TokenScore`, or a function `score(probabilities, mask)`.
        annotator (`Annotator`, *optional*):
            Who answers the queries. Needed for `rounds`, `run` and `annotate`.
        query_size (`int`, *optional*):
            Examples that a round asks for, or words; 50 examples or 500 words by default.
        seed_size (`int`, *optional*):
            Examples of the seed set, which is asked before any model is trained; `query_size` by default.
        seed_strategy (`str` or function, *optional*):
            `"random"`; `"kmeans"`, `"kcenter"`, `"typiclust"` or `"probcover"`, by `embeddings`, which of `"model"`
            are those that it has before it is trained (of examples with 250,000 tokens in all, if the pool has more,
            or of twice the seed set); `"stratified"` (experiments only); or a `select(signals, k, rng)` that needs
            nothing but embeddings, such as `ProbCover(delta=1.15)`. By default `"kmeans"` for text classification
            with another strategy than `"random"`, else `"random"`.
        holdout (`int`, *optional*, defaults to 0):
            Examples to draw at random, have labeled first, evaluate on, and never train on; for those who have no
            evaluation set. They count as bought. Where `eval_strategy` asks for an `eval_dataset` when the Trainer is
            made, pass `eval_dataset=pool.holdout`.
        budget (`int`, *optional*):
            How many labels may be bought in all, the seed set and the holdout included; or words.
        unit (`str`, *optional*, defaults to `"examples"`):
            What `query_size`, `seed_size`, `holdout` and `budget` count. With `"words"`, for token classification,
            each is filled up to the sentence that reaches it, so that strategies that love long sentences gain nothing
            by it; the budget is never exceeded.
        target_metric (`str`, *optional*):
            Stop when this metric of the evaluation (`"accuracy"`) reaches `target`.
        target (`float`, *optional*):
            The value to reach; to fall to, if the metric's name ends in `loss`.
        stop (`Criterion` or `str`, *optional*):
            When to end the run beside that: criteria of `hfal.stopping.criteria`, joined by `|` and `&`,
            `Kappa(0.99, rounds=3) | Plateau("accuracy", 0.01, 3)`, or the same as an expression,
            `"kappa(0.99, rounds=3) or plateau(accuracy, 0.01, 3)"`. The budget is a limit whatever it says.
        record_stability (`bool`, *optional*, defaults to `False`):
            Record in every round what its model says of the stop set, 1,000 examples of the pool drawn at random, and
            how that differs from the round before. Done anyway where `stop` needs it; it takes a pass over them.
        retrain (`str`, *optional*, defaults to `"from_scratch"`):
            How a round begins: `"from_scratch"` with fresh weights (from `model_init`, or as they were when the
            run began), `"continue"` with the last round's. The optimizer is new in either case.
        embeddings (`str`, `SentenceTransformer` or array float[N, D], *optional*, defaults to `"model"`):
            Where strategies get embeddings from: `"model"` is the one being trained, mean over tokens, in the same
            pass as the scores; `"entities"`, for token classification, is the same over the words alone that it
            takes for entities; a sentence-transformers model by name, path or object, computed once; or embeddings of
            your own, a row for each example of the pool.
        embeddings_dir (`str`, *optional*):
            Where those of a sentence-transformers model are kept, in the run directory by default; runs on the same
            texts may share the folder.
        select_with (`str`, *optional*, defaults to `"model"`):
            What picks the queries. `"model"` is the Trainer's own, after each training. `"head"` is a linear head on
            the frozen encoder that `embeddings` names (or on these embeddings): the encoder runs over the pool once,
            and each query is made as soon as the answers to the one before are in, with a head fitted to all of them.
            Nobody waits for a training between the queries of a round, and the Trainer's model, which may be of any
            size, never scores the pool. For entities `embeddings` is the name of the encoder whose tokenizer has
            tokenized the pool. In `run` and `rounds`; not with `committee`.
        queries_per_round (`int`, *optional*, defaults to 1):
            With `select_with="head"`, after how many queries a round trains, the seed set being the first one of the
            first round. Where the budget ends earlier, the last round trains then. Criteria to stop, learning curves
            and `rounds` count rounds.
        when_idle (`str`, *optional*, defaults to `"wait"`):
            What people do while a round trains. With `"ask"` queries go on beside the training, and a round begins as
            soon as the last one has ended and `train_after` answers are in. With `select_with="head"` the head makes
            them, and nobody waits; with the model that is trained they go on with the ranking of the last round's, at
            most five queries, and people wait for the first round.
            Which answers a round trains on then depends on how fast people are, and is recorded. On the page
            (`WebAnnotator`) and at the terminal (`TerminalAnnotator`, which moves what the training writes there to
            a file while a text is shown), in one process, by `run` and `rounds`; in the last of so many rounds
            nothing is asked.
        train_after (`int`, *optional*):
            With `when_idle="ask"`, how many answers with a label are to be new for a round to begin, or words; by
            default those to `queries_per_round` queries of `query_size`, of all who label a text.
        overlap (`int`, *optional*, defaults to 1):
            How many people label a text. `query_size` counts texts, the budget each person's label. The annotator has
            to have so many: `WebAnnotator(annotators=["anna", "ben"])`.
        overlap_share (`float`, *optional*, defaults to 1.0):
            Which share of the texts, drawn by their ids, has so many labels; the others are labeled by one person.
        ask_again (`bool`, *optional*, defaults to `False`):
            Whether a query may ask another person about a labeled text, where that is worth more than a new text: see
            `hfal.tasks.asking_again`. For text classification, with `select_with="head"`.
        aggregate_labels (`str`, *optional*):
            How one label is made of several people's: `"latest"`, `"majority"`, or by how reliable each person is
            found to be, with one number for each (`"one_coin"`) or a matrix (`"dawid_skene"`); see
            `hfal.tasks.aggregation`. By default `"majority"` with `overlap` or `ask_again`, else `"latest"`.
        soft_labels (`bool`, *optional*, defaults to `False`):
            Train on the probability of each class where a label is made of several people's, by soft cross-entropy.
            For text classification, in `run` and `rounds`; not with `class_weights` or `self_training`.
        passes (`int`, *optional*, defaults to 10):
            Passes of Monte-Carlo dropout: how many draws of the model's parameters those strategies get that take
            any (`"bald"`, `"batchbald"`, ...).
        committee (`int`, list of models or function, *optional*):
            Where these draws come from instead: the models of the last `committee` rounds, this one included (so many
            are kept; the first query is drawn at random); or this round's model and the given ones; or this round's
            model and those that `committee(round_number)` returns, such as models trained with other seeds.
        token_budget (`int`, *optional*):
            Tokens of a scoring batch, padding included. 2,048 on CPU and 16,384 elsewhere by default.
        bf16_scoring (`bool`, *optional*, defaults to `False`):
            Score under bfloat16 autocast: faster on hardware made for it, near-ties may fall the other way.
        self_training (`float`, *optional*):
            Train each round but the first also on predictions that the last round's model is sure of, and let each
            count so much beside a label, between 0 and 1 (see
            `hfal.acquisition.self_training`). They are no labels: nothing is bought or exported. For text
            classification, in `run` and `rounds`.
        self_training_threshold (`float`, *optional*, defaults to 0.95):
            From which probability on the model is sure.
        seed (`int`, *optional*, defaults to 42):
            Seeds every choice of hfal's. (Training is seeded by `TrainingArguments.seed` and the round.)
        keep_models (`int`, *optional*, defaults to 1):
            Of how many last rounds the final model stays in `run_dir/rounds`; `None` for all.
        min_steps (`int`, *optional*, defaults to 0):
            Train for more epochs than `num_train_epochs` where a round has so few examples that these would make fewer
            gradient steps than this. `max_steps` of the Trainer's arguments, where it is set, goes before.
        estimate (`bool`, *optional*, defaults to `False`):
            For those who have neither an evaluation set nor a holdout: record with the metrics of each round how well
            a linear head on a frozen encoder does with the labels that the round trained on, by cross-validation on
            these alone, as `"estimated_accuracy"` and `"estimated_f1_macro"` (sets of labels: `"estimated_f1_micro"`
            and `"estimated_f1_macro"`; entities: `"estimated_f1"`). `embeddings` has to name the encoder, a model of
            sentence-transformers, or be the embeddings; for entities it is the name of the encoder whose tokenizer
            has tokenized the pool. It says nothing of the model that the Trainer trains, and where a strategy picks
            what is hard to tell it is too low. `stop` and `target_metric` take these names, and without a holdout
            they are what `"plateau"` looks at where neither it nor `target_metric` names a metric.
        class_weights (`str`, *optional*):
            `"balanced"` trains with a loss in which each class counts as much as every other, however rare it is among
            the labeled examples; of tags, each tag. Not for multi-label classification.

    Raises:
        ValueError: An argument has a value that it cannot have; the message says which and what to do.
    """

    def __init__(
        self,
        pool: Pool,
        *,
        strategy: str | Hybrid | Ranks | Subset | Schedule | Callable[..., Any] = "margin+kmeans",
        annotator: Annotator | None = None,
        query_size: int | None = None,
        seed_size: int | None = None,
        seed_strategy: str | SelectFunction | None = None,
        holdout: int = 0,
        budget: int | None = None,
        unit: str = "examples",
        target_metric: str | None = None,
        target: float | None = None,
        stop: Criterion | str | None = None,
        record_stability: bool = False,
        retrain: str = "from_scratch",
        embeddings: "str | os.PathLike[str] | SentenceTransformer | np.ndarray" = "model",
        embeddings_dir: str | os.PathLike[str] | None = None,
        select_with: str = "model",
        queries_per_round: int = 1,
        when_idle: str = "wait",
        train_after: int | None = None,
        overlap: int = 1,
        overlap_share: float = 1.0,
        ask_again: bool = False,
        aggregate_labels: str | None = None,
        soft_labels: bool = False,
        passes: int | None = None,
        committee: Committee | None = None,
        token_budget: int | None = None,
        bf16_scoring: bool = False,
        self_training: float | None = None,
        self_training_threshold: float = 0.95,
        seed: int = 42,
        keep_models: int | None = 1,
        min_steps: int = 0,
        class_weights: str | None = None,
        estimate: bool = False,
    ):
        if query_size is None:
            query_size = QUERY_SIZES.get(unit, 1)
        query_options = QueryOptions(
            query_size=query_size,
            seed_size=query_size if seed_size is None else seed_size,
            seed_strategy=seed_strategy,
            holdout=holdout,
            budget=budget,
            unit=unit,
            embeddings=embeddings,
            embeddings_dir=embeddings_dir,
            passes=_PASSES if passes is None else passes,
            committee=committee,
            token_budget=token_budget,
            bf16_scoring=bf16_scoring,
            self_training=self_training,
            self_training_threshold=self_training_threshold,
            seed=seed,
            record_stability=record_stability,
            select_with=select_with,
            queries_per_round=queries_per_round,
            overlap=overlap,
            overlap_share=overlap_share,
            asks_ahead=when_idle == "ask" and select_with == "model",
            ask_again=ask_again,
        )
        if passes is not None and committee is not None:
            logger.warning("passes=%d is not used: committee= takes the place of Monte-Carlo dropout", passes)
        loop_options = LoopOptions(
            target_metric=target_metric,
            target=target,
            stop=None,
            retrain=retrain,
            keep_models=keep_models,
            min_steps=min_steps,
            class_weights=class_weights,
            estimate=estimate,
            when_idle=when_idle,
            train_after=train_after,
            aggregate_labels=aggregate_labels or ("majority" if overlap > 1 or ask_again else "latest"),
            soft_labels=soft_labels,
        )
        usual = target_metric
        if usual is None and estimate and not holdout:
            usual = next(iter(pool.task.kind.estimates), None)
        criterion = _criterion(stop, usual, target_metric, target, budget, unit)
        if criterion is not None and criterion.needs_stability:
            if not pool.task.prediction_signals:
                raise ArgumentError(
                    f"stop={str(criterion)!r} compares predictions, but {pool.task.name} has none to compare: stop by "
                    "a metric, the budget or a number of rounds"
                )
            query_options = replace(query_options, record_stability=True)
        strategies = resolve_schedule(strategy, pool.task.kind.family, pool.task.outside, TASK_OF_FAMILY)
        self._committee_of_rounds = isinstance(committee, int) and any(s.draws for s in strategies.values())
        if keep_models is not None and isinstance(committee, int) and self._committee_of_rounds:
            # A committee of this round's model and those before it needs them to be there, also after a restart.
            keep_models = max(keep_models, committee)
        self.pool = pool
        self.annotator = annotator
        self.options = replace(loop_options, stop=criterion, keep_models=keep_models)
        self.acquisition = Acquisition(pool, strategies, query_options)
        self.estimator = Estimator(self.acquisition) if estimate else None
        check_estimates(self.options, pool.task.kind)
        self._loop: Loop | None = None  # without one every train() is a round
        self._sigterm = False

    def rounds(self, trainer: Trainer, rounds: int | None = None) -> Iterator[Round]:
        """Have the seed set labeled, then for each round train (in the loop's body), query and annotate.

        The last round queries nothing, so that no label is bought that no model was trained on. A run that was
        stopped, however it was, goes on where it stood; one that is finished only gives the Trainer its last model.

        Args:
            trainer: The Trainer that has this callback. What is set for each round is put back at the end:
                `train_dataset`, `eval_dataset` (unless it is `pool.holdout`), `model_init`, of its arguments
                `output_dir`, `run_name`, `seed` and, with `min_steps`, `num_train_epochs`; with `class_weights`
                or `soft_labels` `compute_loss_func`.
            rounds: How many rounds the run has in all, earlier sessions' included; `None` for as many as it takes to
                spend the budget, reach the target, meet `stop`, or label everything.

        Yields:
            `Round`: call `trainer.train(resume_from_checkpoint=round.checkpoint)` for each.

        Raises:
            AnswersPending: People have to answer first; nothing is wrong. Exit code 75 if it is not caught.
            ValueError: The Trainer or an argument does not fit.
            RunDirectoryBusyError: Another process works in the run directory.
        """
        annotator = self._required_annotator()
        if rounds is not None and rounds < 1:
            raise ArgumentError(f"rounds={rounds}, expected at least 1")
        if self not in trainer.callback_handler.callbacks:
            raise ArgumentError("the Trainer does not have this callback: pass callbacks=[active] to it")
        self._loop = loop = Loop(trainer, self.acquisition, annotator, self.options, rounds, self.estimator)
        try:
            yield from loop.run()
        finally:
            if self._loop is loop:  # another loop may have begun before this one is closed
                self._loop = None

    def run(self, trainer: Trainer, rounds: int | None = None) -> RoundRecords:
        """Drive all rounds: `for round in rounds(trainer, rounds): trainer.train(...)`.

        Returns:
            `history`, when the run has ended.
        """
        for current in self.rounds(trainer, rounds):
            with saving_checkpoints(trainer):
                trainer.train(resume_from_checkpoint=current.checkpoint)
        return self.history

    @property
    def history(self) -> RoundRecords:
        """The record of every round of the run, earlier sessions' included: a list, and a table in a notebook."""
        return RoundRecords(self.pool.store.rounds())

    def annotate(self) -> None:
        """Read late answers, and have the open queries answered now; `run` and `rounds` do it by themselves.

        Raises:
            AnswersPending: Some questions need a person.
        """
        annotator = self._required_annotator()
        with owned(self.pool):
            on_main(lambda: collect(self.pool.store, annotator))
            on_main(lambda: ask(self.pool.store, annotator, may_wait=rank_and_size()[1] == 1))

    def _required_annotator(self) -> Annotator:
        if self.annotator is None:
            raise ArgumentError(
                "annotator is missing: pass ActiveLearningCallback(annotator=...), who answers the queries"
            )
        check_annotator(self.annotator)
        options = self.acquisition.options
        check_team(self.annotator, options.overlap, options.ask_again)
        return self.annotator

    @property
    def _training(self) -> RoundTraining | None:
        """The training of the round that the loop has handed out."""
        return None if self._loop is None else self._loop.training

    def on_train_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        """Note a SIGTERM that `enable_jit_checkpoint` turns into an early, but no regular, end of the training.

        After an error for want of memory `auto_find_batch_size` comes here again, and the round has to begin again.
        """
        if self._training is None:
            self._check_options_outside_of_rounds()
        else:
            self._training.begin()
        self._sigterm = False
        if args.enable_jit_checkpoint and threading.current_thread() is threading.main_thread():
            then = signal.getsignal(signal.SIGTERM)

            def note(number: int, frame: FrameType | None) -> None:
                self._sigterm = True
                if callable(then):
                    then(number, frame)

            signal.signal(signal.SIGTERM, note)  # which the Trainer itself takes away when training ends

    def on_step_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        """Tell how far the training is."""
        if self._training is not None:
            self._training.progress.step(state.global_step, state.max_steps)

    def on_train_end(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        model: torch.nn.Module | None = None,
        train_dataloader: Any = None,
        **kwargs: Any,
    ) -> None:
        """Record the round's query, made with the model just trained (the best one, where the Trainer loads it)."""
        if model is None:
            return
        training = self._training
        interrupted = any(gather(self._sigterm))  # of several processes, the signal may have reached one first
        if training is not None:
            training.interrupted = interrupted
        if interrupted and state.global_step < state.max_steps:
            logger.info("the training was interrupted: nothing is queried")
            return
        check_steps(args, state.global_step, len(train_dataloader.dataset))
        if training is None:
            self._propose_outside_of_rounds(args, state, model, train_dataloader)
        else:
            training.end(model, train_dataloader.collate_fn, args)

    def _check_options_outside_of_rounds(self) -> None:
        if self._committee_of_rounds:
            raise ArgumentError(COMMITTEE_OF_ROUNDS)
        if self.acquisition.self_training is not None:
            raise ArgumentError(
                "self_training= adds to the training set of the next round, which only run() and rounds() make: call "
                "these"
            )
        if self.acquisition.options.select_with == "head":
            raise ArgumentError(
                "select_with='head' makes its queries between the trainings of run() and rounds(): call these"
            )
        for name in ("class_weights", "soft_labels", "min_steps"):
            if getattr(self.options, name):
                raise ArgumentError(
                    f"{name}= is for the rounds that run() and rounds() train: call these, or leave it out"
                )

    def _propose_outside_of_rounds(
        self, args: TrainingArguments, state: TrainerState, model: torch.nn.Module, train_dataloader: Any
    ) -> None:
        with owned(self.pool):
            number = on_main(lambda: self._start_round(args.seed, len(train_dataloader.dataset)))
            if number is None:
                return
            self.acquisition.take_up_added()
            self.acquisition.show_progress = is_main() and not args.disable_tqdm
            self.acquisition.propose(model, train_dataloader.collate_fn, number, args)
            self.acquisition.measure(model, train_dataloader.collate_fn, number, args)
            evaluations = [log for log in state.log_history if any(name.startswith("eval_") for name in log)]
            if args.load_best_model_at_end:
                evaluations = [log for log in evaluations if log["step"] == state.best_global_step] or evaluations
            metrics = without_timings(evaluations[-1]) if evaluations else {}
            if self.estimator is not None:
                metrics |= self.estimator.estimate(number)
            on_main(lambda: self.pool.store.finish_round(number, metrics))

    def _start_round(self, seed: int, train_size: int) -> int | None:
        store = self.pool.store
        waiting = store.open_queries()
        if waiting:
            logger.warning(
                "query %d is still being asked, so no other is proposed: call annotate() first", waiting[0].number
            )
            return None
        number = 1 + max((record.number for record in store.rounds()), default=0)
        store.start_round(number, seed, train_size)
        return number


def _criterion(
    stop: Criterion | str | None,
    usual: str | None,
    target_metric: str | None,
    target: float | None,
    budget: int | None,
    unit: str,
) -> Criterion | None:
    """Return what ends the run, the target included; `usual` is the metric of a `plateau` that names none.

    Where `stop` names that very target, it decides what that counts for.
    """
    reached = None if target_metric is None or target is None else Target(target_metric, target)
    if isinstance(stop, str):
        known = None if reached is None else (reached.metric, reached.value)
        stop = parse_stop(stop, metric=usual, budget=budget, unit=unit, target=known)
    if stop is not None and not isinstance(stop, Criterion):
        raise TypeError(
            f"stop is a {type(stop).__name__}, expected a criterion of hfal.stopping.criteria or an expression"
        )
    if stop is None or reached is None or reached in stop.parts():
        return stop or reached
    return reached | stop
