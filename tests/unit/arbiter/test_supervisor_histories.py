"""Random histories of the supervisor: whatever happens in whatever order, some things never do."""

from __future__ import annotations

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from hybrid.arbiter.actions import Abandon, Exit, Kill, Load, Spawn
from hybrid.arbiter.converge import converge
from hybrid.arbiter.events import (
    BootFailed,
    Command,
    Drained,
    Event,
    Exited,
    Loaded,
    LoadFailed,
    Measured,
    Ready,
    Reload,
    Resize,
    Retiring,
    Spawned,
    SpawnFailed,
    Stop,
    Tick,
)
from hybrid.arbiter.state import NEVER, Phase, Plan, Signal, Stage, State
from hybrid.arbiter.supervisor import decide, next_wakeup

POOLS = ("main", "side")
RUNNING = Phase.RUNNING


class World(RuleBasedStateMachine):
    """The arbiter's state beside a simple model of the processes that it believes in."""

    @initialize(
        sizes=st.lists(st.integers(1, 4), min_size=2, max_size=2),
        surge=st.integers(0, 2),
        waits=st.booleans(),
        limited=st.booleans(),
    )
    def start(self, sizes: list[int], surge: int, waits: bool, limited: bool) -> None:
        self.limits = {"lifetime_s": 9.0, "max_memory": 50, "hard_memory": 100, "intensity": 3} if limited else {}
        self.now = 1000.0
        self.state = State(slots=24)
        self.next_pid = 100
        self.orders: list[Spawn] = []
        self.alive: dict[int, int] = {}
        self.loads: list[int] = []
        self.exits: list[int] = []
        self.stops = 0
        self.surge, self.waits = surge, waits
        self.happen(Loaded(0, self.plans(sizes)))

    def plans(self, sizes: list[int], names: tuple[str, ...] = POOLS) -> dict[str, Plan]:
        return {
            name: Plan(
                size=size, timeout_s=5.0, boot_timeout_s=8.0, surge=self.surge, waits_for_fix=self.waits, **self.limits
            )
            for name, size in zip(names, sizes, strict=False)
        }

    def happen(self, event: Event) -> None:
        before = self.state
        self.state, actions = decide(self.state, event, self.now)
        ready = {name: sum(c.stage is Stage.READY for c in before.of_pool(name)) for name in before.pools}
        if isinstance(event, Ready) and (child := self.state.child_of(event.pid)) is not None:
            ready[child.pool] += 1
        for action in actions:
            match action:
                case Spawn():
                    assert before.phase is Phase.RUNNING
                    assert self.state.phase is Phase.RUNNING
                    assert action.slot not in {order.slot for order in self.orders}
                    assert action.slot not in self.alive.values()
                    self.orders.append(action)
                    pool = self.state.pools[action.pool]
                    staying = sum(child.is_staying for child in self.state.of_pool(pool.name))
                    assert staying <= pool.size + (pool.plan.surge or pool.size)
                case Kill():
                    assert action.pid in self.alive, "a signal to a process that is not ours"
                    child = before.child_of(action.pid) or self.state.child_of(action.pid)
                    assert child is not None
                    about = before.child_of(getattr(event, "pid", 0))
                    if about is not None and before.trial == self.state.trial == NEVER and before.phase is RUNNING:
                        stopped = self.state.phase is not RUNNING
                        assert child.pool == about.pool or stopped, "what happens in a pool stays in it"
                    if (
                        self.state.phase is Phase.RUNNING
                        and action.signal is Signal.TERM
                        and child.ready_at is not None
                    ):
                        assert ready[child.pool] > self.state.pools[child.pool].size, "broke before it made"
                        ready[child.pool] -= 1
                case Abandon():
                    self.orders = [order for order in self.orders if order.slot != action.slot]
                case Load():
                    self.loads.append(action.generation)
                case Exit():
                    assert not self.state.children
                    self.exits.append(action.code)
                case _:
                    pass

    # what may happen ------------------------------------------------------------------------------------------

    @precondition(lambda self: self.orders)
    @rule(data=st.data(), works=st.sampled_from([True, True, True, False]))
    def fork(self, data: st.DataObject, works: bool) -> None:
        order = data.draw(st.sampled_from(self.orders))
        self.orders.remove(order)
        if works:
            self.next_pid += 1
            self.alive[self.next_pid] = order.slot
            self.happen(Spawned(order.slot, self.next_pid))
        else:
            self.happen(SpawnFailed(order.slot, "no memory"))

    @precondition(lambda self: self.alive)
    @rule(data=st.data(), what=st.sampled_from(["ready", "ready", "ready", "failed", "retire", "drained"]))
    def say(self, data: st.DataObject, what: str) -> None:
        pid = data.draw(st.sampled_from(sorted(self.alive)))
        match what:
            case "ready":
                self.happen(Ready(pid))
            case "failed":
                self.happen(BootFailed(pid, data.draw(st.sampled_from([1, 3, 4])), "why", "Traceback"))
            case "retire":
                self.happen(Retiring(pid, "max-requests"))
            case _:
                self.happen(Drained(pid, "SIGTERM"))

    @precondition(lambda self: self.alive)
    @rule(data=st.data(), code=st.sampled_from([0, 0, 1, 3, 4, None]))
    def die(self, data: st.DataObject, code: int | None) -> None:
        pid = data.draw(st.sampled_from(sorted(self.alive)))
        del self.alive[pid]
        self.happen(Exited(pid, code=code, signal="" if code is not None else "SIGSEGV"))

    @rule(seconds=st.floats(0.0, 12.0), beat=st.booleans(), paused_s=st.sampled_from([0.0, 0.0, 0.0, 30.0]))
    def wait(self, seconds: float, beat: bool, paused_s: float) -> None:
        self.now += seconds + paused_s
        self.happen(Tick(dict.fromkeys(self.alive, self.now) if beat else {}, paused_s))
        wakeup = next_wakeup(self.state)
        assert wakeup is None or wakeup > self.now

    @precondition(lambda self: self.alive)
    @rule(data=st.data(), size=st.integers(0, 120))
    def measure(self, data: st.DataObject, size: int) -> None:
        self.happen(Measured({data.draw(st.sampled_from(sorted(self.alive))): size}))

    @rule(pool=st.sampled_from([*POOLS, "nobody"]), by=st.integers(-3, 3))
    def resize(self, pool: str, by: int) -> None:
        self.happen(Resize(pool, by))

    @rule()
    def reload(self) -> None:
        self.happen(Reload())

    @precondition(lambda self: self.loads)
    @rule(
        sizes=st.lists(st.integers(1, 4), min_size=1, max_size=2),
        works=st.booleans(),
        names=st.sampled_from([POOLS, POOLS, ("side", "main"), ("new", "side"), ("new", "newer")]),
    )
    def load(self, sizes: list[int], works: bool, names: tuple[str, ...]) -> None:
        generation = self.loads.pop(0)
        plans = self.plans(sizes, names)
        self.happen(Loaded(generation, plans) if works else LoadFailed(generation, "typing mistake"))

    @rule()
    def reopen(self) -> None:
        self.happen(Command.REOPEN)

    @precondition(lambda self: self.stops < 2)
    @rule(is_graceful=st.booleans(), really=st.integers(0, 5))
    def stop(self, is_graceful: bool, really: int) -> None:
        if really == 0:
            self.stops += 1
            self.happen(Stop(is_graceful))

    # what must hold -------------------------------------------------------------------------------------------

    @invariant()
    def one_owner_per_slot(self) -> None:
        pids = [child.pid for child in self.state.children.values() if child.pid]
        assert len(pids) == len(set(pids))
        assert all(slot == child.slot for slot, child in self.state.children.items())

    @invariant()
    def converge_orders_nothing_twice(self) -> None:
        if self.state.phase is not Phase.ENDED:
            actions: list[object] = []
            assert converge(self.state, self.now, actions) == self.state  # type: ignore[arg-type]
            assert actions == []

    @invariant()
    def everybody_who_was_told_to_go_has_a_deadline(self) -> None:
        assert all(child.deadline is not None for child in self.state.children.values() if child.sent is not None)

    @invariant()
    def whoever_has_served_is_not_ended_by_a_worker_that_cannot_boot(self) -> None:
        """Only a first generation ends the arbiter, and only before each of its pools has served."""
        if self.state.exit_code:
            assert all(pool.good in (NEVER, 0) or self.waits for pool in self.state.pools.values()), self.state.pools

    @invariant()
    def exit_is_decided_once(self) -> None:
        assert len(self.exits) <= 1
        assert bool(self.exits) == (self.state.phase is Phase.ENDED)

    def teardown(self) -> None:
        """From wherever it is: a Stop, and processes that die of SIGKILL at the latest, end it."""
        self.happen(Stop(is_graceful=True))
        for order in list(self.orders):
            self.orders.remove(order)
            self.next_pid += 1
            self.alive[self.next_pid] = order.slot
            self.happen(Spawned(order.slot, self.next_pid))
        for _ in range(200):
            if self.exits:
                return
            wakeup = next_wakeup(self.state)
            assert wakeup is not None, "a stop that waits for nothing"
            self.now = max(self.now, wakeup)
            self.happen(Tick())
            for pid in [child.pid for child in self.state.children.values() if child.sent is Signal.KILL]:
                del self.alive[pid]
                self.happen(Exited(pid, signal="SIGKILL"))
        raise AssertionError("the stop did not end")


World.TestCase.settings = settings(max_examples=150, stateful_step_count=60, deadline=None)
TestHistories = World.TestCase
