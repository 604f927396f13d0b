"""The lane's state machine under any order of what may happen: workers step by step, captures, customers, crashes."""

import sys
from typing import ClassVar, Final, NamedTuple

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from delivery import turn
from integrations.enums import SourceState
from integrations.models import Source
from tests.delivery.interleavings.actors import Actor, Place
from tests.delivery.interleavings.held_segment import ANSWERS, HeldSegment
from tests.delivery.interleavings.stage import DEEDS, Stage

WORKERS: Final = 3

which = st.integers(min_value=0, max_value=7)
"""One of those there are, counted around."""


class Move(NamedTuple):
    """What a worker does next. `taken_in`: whether Segment has what it answers so that nobody can tell."""

    slot: int
    lanes: list[int]
    woken_by: str
    steps: int
    answer: str
    taken_in: bool


# Each rule takes one along: hypothesis leaves rules out by turns, and without workers nothing would happen.
moves = st.builds(
    Move,
    slot=st.integers(0, WORKERS - 1),
    lanes=st.sampled_from([[0], [1], [0, 1], [1, 0]]),
    woken_by=st.sampled_from(["capture", "sweep"]),
    steps=st.integers(1, 9),
    answer=st.sampled_from(["200", "200", *sorted(ANSWERS)]),
    taken_in=st.booleans(),
)


class LaneMachine(RuleBasedStateMachine):
    """Two sources with one write key, three workers, and everything that a customer, Segment or fate can do to them."""

    segment: ClassVar[HeldSegment]

    def __init__(self) -> None:
        super().__init__()
        self.stage = Stage(self.segment)
        self.slots: dict[int, Actor] = {}

    @initialize(seconds=st.sampled_from([0, 600]))
    def choose_length_of_turns(self, seconds: float) -> None:
        """Zero: one request, then the lane goes to the next worker."""
        vars(turn)["TURN_SECONDS"] = seconds  # put back by the fixture that made the segment

    @rule(move=moves)
    def let_a_worker_go_on(self, move: Move) -> None:
        """First it gets the answer that it waits for, if it does, then it goes through so many gates."""
        worker = self.slots.get(move.slot)
        if worker is None or worker.place == Place.OVER:
            worker = self.slots[move.slot] = self._woken(move)
        elif self.stage.held_by(worker):
            self.stage.answer(worker, move.answer, taken_in=move.taken_in, index=move.steps)
        for _ in range(move.steps):
            if worker.place == Place.AT_A_GATE:
                self.stage.step(worker)

    @rule(index=which, deed=st.sampled_from(["capture", "capture much", "begin", "commit", "roll back"]), then=moves)
    def let_the_product_act(self, index: int, deed: str, then: Move) -> None:
        source = self._source(index)
        match deed:
            case "capture":
                self.stage.capture(source, 1 + index % 3)
            case "capture much":  # more than one request carries
                self.stage.capture(source, 18, letters=30_000)
            case "begin":
                self.stage.begin_capture(source, 1 + index % 3)
            case _ if self.stage.open_captures:
                self.stage.end_capture(index % len(self.stage.open_captures), keep=deed == "commit")
        self.let_a_worker_go_on(then)

    @rule(index=which, deed=st.sampled_from([*DEEDS, "replay"]), then=moves)
    def let_a_customer_act(self, index: int, deed: str, then: Move) -> None:
        """Who has paused or disconnected a source first of all undoes that."""
        source = self._source(index)
        if source.state != SourceState.CONNECTED:
            self.stage.make_it_send(source)
        elif deed == "replay":
            self.stage.replay_what_was_given_up(source)
        else:
            self.stage.change(source, DEEDS[deed])
        self.let_a_worker_go_on(then)

    @rule(index=which, what=st.sampled_from(["wait", "lease runs out", "worker dies", "worker dies early"]), then=moves)
    def let_fate_act(self, index: int, what: str, then: Move) -> None:
        """Early: what its requests carried never arrived."""
        alive = self.stage.alive()
        match what:
            case "wait":
                self.stage.end_waits()
            case "lease runs out":
                self.stage.end_lease(self._source(index))
            case _ if alive:
                self.stage.kill(alive[index % len(alive)], taken_in=what == "worker dies")
        self.let_a_worker_go_on(then)

    @invariant()
    def each_event_is_in_one_place(self) -> None:
        self.stage.ledger.check_places()

    def teardown(self) -> None:
        try:
            if sys.exc_info()[0] is None:
                self.stage.finish()
        finally:
            self.stage.tidy_up()

    def _source(self, index: int) -> Source:
        return self.stage.sources[index % len(self.stage.sources)]

    def _woken(self, move: Move) -> Actor:
        """By the hint of a capture, or by a sweep after a while."""
        sources = [self.stage.sources[lane] for lane in move.lanes]
        if move.woken_by == "capture":
            self.stage.capture(sources[0], 1)
        else:
            self.stage.end_waits()
        return self.stage.start(sources)
