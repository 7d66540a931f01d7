"""The kernel's count of out-of-memory kills."""

from pathlib import Path

from hybrid.arbiter.oom import OomKills, candidates, oom_kills


def test_counter_is_read_from_either_version() -> None:
    assert oom_kills("low 0\nhigh 3\nmax 9\noom 2\noom_kill 4\noom_group_kill 1\n") == 4
    assert oom_kills("oom_kill_disable 0\nunder_oom 0\noom_kill 7\n") == 7
    assert oom_kills("low 0\n") is None


def test_files_are_looked_for_by_our_cgroup_and_at_the_root() -> None:
    assert candidates("0::/system.slice/shop.service\n") == [
        "/sys/fs/cgroup/system.slice/shop.service/memory.events",
        "/sys/fs/cgroup/memory.events",
    ]
    assert candidates("4:memory:/docker/1\n1:cpu:/\n")[0] == "/sys/fs/cgroup/memory/docker/1/memory.oom_control"


def test_each_kill_is_taken_once(tmp_path: Path) -> None:
    events = tmp_path / "memory.events"
    events.write_text("oom_kill 5\n")
    kills = OomKills(str(events))
    assert kills.is_known
    assert not kills.take()
    events.write_text("oom_kill 7\n")
    assert [kills.take() for _ in range(3)] == [True, True, False]
