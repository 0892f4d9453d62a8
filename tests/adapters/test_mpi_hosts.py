"""`fit(comm=)` on two hosts: network namespaces with addresses of their own, and a cable between them."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import dataclass

import numpy as np
import pytest

import mpi_cases
from helpers import assert_same_bits
from test_mpi import CASES, MPIEXEC, left, pytestmark  # noqa: F401

LAUNCHER = """#!/bin/sh
while [ "${{1#-}}" != "$1" ]; do shift; done
case $1 in
    {addresses[0]}) name={names[0]} ;;
    {addresses[1]}) name={names[1]} ;;
esac
shift
exec ip netns exec $name sh -c "$*"
"""  # what mpiexec calls in place of ssh: options, a host, a command


CABLE = "eth0"  # what each host calls its end


def ip(*arguments):
    return subprocess.run(["ip", *arguments], check=True, capture_output=True, text=True).stdout


@dataclass
class Hosts:
    """Two namespaces with a cable between them."""

    names: list[str]
    addresses: list[str]
    launcher: str

    def sent(self):
        """Bytes that the first host has sent over the cable."""
        lines = ip("-n", self.names[0], "-s", "link", "show", CABLE).splitlines()
        return int(lines[lines.index(next(line for line in lines if "TX:" in line)) + 1].split()[0])

    def mpiexec(self, case, folder):
        """Begins a case on a rank for each host."""
        command = ["ip", "netns", "exec", self.names[0], MPIEXEC, "-localhost", self.addresses[0]]
        command += ["-launcher", "ssh", "-launcher-exec", self.launcher, "-hosts", ",".join(self.addresses)]
        command += ["-ppn", "1", "-n", "2", sys.executable, str(CASES), case, str(folder)]
        environment = {
            **os.environ,
            "FASTMLP_TEST_CABLE": CABLE,
            "UCX_TLS": "tcp",  # or MPI finds that both hosts have the same memory
            "UCX_NET_DEVICES": CABLE,
        }
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        return subprocess.Popen(command, env=environment, text=True, **pipes)

    def connect(self):
        """Linux sees up to a second later that a new cable is up; until then UCX takes what else there is."""
        for name, address in zip(self.names, self.addresses, strict=True):
            ip("-n", name, "addr", "add", f"{address}/24", "dev", CABLE)
            ip("-n", name, "link", "set", "lo", "up")
            ip("-n", name, "link", "set", CABLE, "up")
        end = time.monotonic() + 20
        while not all("state UP" in ip("-n", name, "link", "show", CABLE) for name in self.names):
            assert time.monotonic() < end, "the cable does not come up"
            time.sleep(0.05)

    def remove(self):
        """With whatever still runs on them."""
        for name in self.names:
            found = subprocess.run(["ip", "netns", "pids", name], capture_output=True, text=True)
            for process in found.stdout.split():
                with contextlib.suppress(ProcessLookupError):
                    os.kill(int(process), signal.SIGKILL)
            subprocess.run(["ip", "netns", "delete", name], capture_output=True)


def lives(process):
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    return True


@pytest.fixture
def hosts(tmp_path):
    if not shutil.which("ip") or os.name != "posix" or os.geteuid() != 0:
        pytest.skip("needs root and the command ip of iproute2")
    number = os.getpid()
    found = Hosts(
        [f"fastmlp-{number}-{end}" for end in "ab"],
        [f"10.77.{number % 250}.{end}" for end in (1, 2)],
        str(tmp_path / "launcher"),
    )
    try:
        try:
            for name in found.names:
                ip("netns", "add", name)
            ends = [["name", CABLE, "netns", name] for name in found.names]
            ip("link", "add", *ends[0], "type", "veth", "peer", *ends[1])
            found.connect()
        except subprocess.CalledProcessError as error:
            pytest.skip(f"needs network namespaces: {error.stderr.strip()}")
        with open(found.launcher, "w") as file:
            file.write(LAUNCHER.format(names=found.names, addresses=found.addresses))
        os.chmod(found.launcher, 0o755)
        yield found
    finally:
        found.remove()


def test_two_hosts_have_the_bits_of_one_process(hosts, tmp_path):
    before = hosts.sent()
    ended = hosts.mpiexec("bits", tmp_path)
    _, said = ended.communicate(timeout=120)
    assert ended.returncode == 0, said
    X, y = mpi_cases.rows()
    net = mpi_cases.network()
    history = net.fit(X, y, validation_data=(X[:50], y[:50]), **mpi_cases.OPTIONS).history
    for found in left(tmp_path, 2):
        assert_same_bits(found, [*mpi_cases.everything(net), *map(np.array, history.values())])
    steps, half = net.plan.step, net.plan.vector_size // 2
    assert hosts.sent() - before > steps * half * 4  # the gradients went over the cable


def test_a_cable_that_is_pulled_ends_the_ranks_of_both_hosts(hosts, tmp_path):
    """The launcher itself waits for the host that it cannot reach."""
    launcher = hosts.mpiexec("unplugged", tmp_path)
    processes = [tmp_path / f"process-{rank}" for rank in range(2)]
    end = time.monotonic() + 60
    while time.monotonic() < end and not all(path.exists() and path.read_text() for path in processes):
        time.sleep(0.1)
    ranks = [int(path.read_text()) for path in processes]
    while time.monotonic() < end and any(map(lives, ranks)):
        time.sleep(0.1)
    alive = [rank for rank, process in enumerate(ranks) if lives(process)]
    for rank in alive:
        os.kill(ranks[rank], signal.SIGKILL)
    launcher.kill()
    _, said = launcher.communicate()
    assert not alive, said
    assert re.search(
        r"fastmlp on rank 0: (rank 1 has not been heard of for 4 seconds|the connection to the other)", said
    )
