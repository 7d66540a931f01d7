"""The CPUs that a process may use, from the texts that Linux shows."""

from __future__ import annotations

import os

import pytest

from hybrid.settings.cpus import cgroup_folders, quota_v1, quota_v2, quotas_from, usable, usable_cpus


@pytest.mark.parametrize(
    ("text", "cpus"),
    [
        ("max 100000\n", None),
        ("max", None),
        ("200000 100000\n", 2.0),
        ("250000 100000", 2.5),
        ("50000 100000", 0.5),
        ("100000", 1.0),
        ("", None),
        ("1 0", None),
    ],
)
def test_quota_of_version_2(text: str, cpus: float | None) -> None:
    assert quota_v2(text) == cpus


@pytest.mark.parametrize(
    ("quota", "period", "cpus"),
    [("-1\n", "100000\n", None), ("150000", "100000", 1.5), ("x", "100000", None), ("100000", "0", None)],
)
def test_quota_of_version_1(quota: str, period: str, cpus: float | None) -> None:
    assert quota_v1(quota, period) == cpus


def test_every_group_on_the_way_to_the_root_limits() -> None:
    v2, v1 = cgroup_folders("0::/system.slice/web.service\n")
    assert v2 == ["/sys/fs/cgroup/system.slice/web.service", "/sys/fs/cgroup/system.slice", "/sys/fs/cgroup"]
    assert v1 == []


def test_version_1_controller_is_found_under_its_joint_name() -> None:
    _, v1 = cgroup_folders("4:cpu,cpuacct:/docker/abc\n2:memory:/docker/abc\n")
    assert "/sys/fs/cgroup/cpu,cpuacct/docker/abc" in v1
    assert "/sys/fs/cgroup/cpu" in v1
    assert not any("memory" in folder for folder in v1)


def test_the_path_of_a_host_seen_from_a_container_does_not_leave_the_mount() -> None:
    assert cgroup_folders("0::/../../outside\n")[0] == ["/sys/fs/cgroup/outside", "/sys/fs/cgroup"]


def test_least_of_all_quotas_and_affinity_counts() -> None:
    files = {
        "/proc/self/cgroup": "0::/a/b\n",
        "/sys/fs/cgroup/a/b/cpu.max": "max 100000\n",
        "/sys/fs/cgroup/a/cpu.max": "350000 100000\n",
    }
    assert quotas_from(files) == [None, 3.5]
    assert usable(8, quotas_from(files)) == 3
    assert usable(2, quotas_from(files)) == 2


def test_version_1_quota_counts() -> None:
    files = {
        "/proc/self/cgroup": "4:cpu,cpuacct:/\n",
        "/sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us": "200000\n",
        "/sys/fs/cgroup/cpu,cpuacct/cpu.cfs_period_us": "100000\n",
    }
    assert usable(16, quotas_from(files)) == 2


def test_half_a_cpu_is_one_worker() -> None:
    assert usable(4, [0.5]) == 1


def test_no_cgroups_leave_the_affinity() -> None:
    assert usable(4, quotas_from({})) == 4


def test_this_machine_gives_a_number() -> None:
    assert 1 <= usable_cpus() <= (os.cpu_count() or 1)
