"""scripts/campaign: kill, pause or restart nodes under load, many times; nothing acknowledged may be lost or doubled."""

import argparse
import os
import shutil
import signal
import statistics
import sys
import tempfile
import threading
import time
from pathlib import Path

import demo
import hostile
import local
import seats
import usage

SETTLE_SECONDS = 1.5
FAULTS = 20
RACES = 3
SEATS = 100
LOGINS = 10_000
RACERS = 64
HOSTILE_REQUESTS = 30_000


def arguments():
    parser = argparse.ArgumentParser(prog="scripts/campaign", description=__doc__)
    parser.add_argument("what", choices=["kills", "pauses", "restarts", "hostile", "seats", "properties"],
                        help="kill -9 of the leader; SIGSTOP of the leader; kill -9 of every node; bad requests of every "
                        "kind; logins that race for seats; properties CASES: every property test, longer")
    parser.add_argument("--count", type=int, help="how many times (default: 20; hostile: 30000 requests; seats: 3 races)")
    parser.add_argument("--nodes", type=int, default=3, help="of the cluster (default: 3)")
    parser.add_argument("--clients", type=int, default=4, help="reporting beside the measuring one (default: 4)")
    parser.add_argument("--pause", type=float, default=5.0, help="seconds that a pause lasts (default: 5)")
    parser.add_argument("--dir", help="where the cluster lies (default: a new directory, removed at the end)")
    return parser.parse_args()


class Probe:
    """One client that reports without pause and remembers when each report was acknowledged."""

    def __init__(self, cluster, fleet, slave):
        self.reporter = usage.Reporter(cluster, timeout=1.5)
        self.fleet, self.slave = fleet, slave
        self.acknowledged = []
        self.problems = []
        self.stop = threading.Event()
        self.thread = threading.Thread(target=self.work, daemon=True)
        self.thread.start()

    def work(self):
        try:
            while not self.stop.is_set():
                self.reporter.send([self.fleet.next_report(self.slave, rows=1)])
                self.acknowledged.append(time.monotonic())
                time.sleep(0.001)
        except Exception as problem:  # whatever it is, the campaign must end with it
            self.problems.append(problem)

    def first_after(self, moment, seconds=60.0):
        """How long after `moment` the next report was acknowledged."""

        def look():
            if self.problems:
                raise self.problems[0]
            later = [at for at in self.acknowledged[-20_000:] if at > moment]
            return (later[0] - moment) if later else None, "no acknowledged write"

        return local.wait_for("the next acknowledged write", seconds, look)


def disturb(options, cluster):
    """One fault; the moment it happened, and what mends it."""
    if options.what == "restarts":
        pids = [pid for node in cluster["nodes"] for pid in local.processes(node)]
        moment = time.monotonic()
        for pid in pids:
            local.send(pid, signal.SIGKILL)
        local.reap()
        for node in cluster["nodes"]:
            local.start(node)
        return moment, lambda: None
    leader = demo.leader_of(cluster)
    [pid] = local.processes(leader)
    moment = time.monotonic()
    if options.what == "kills":
        local.send(pid, signal.SIGKILL)
        return moment, lambda: (local.reap(), local.start(leader))
    local.send(pid, signal.SIGSTOP)
    return moment, lambda: (time.sleep(options.pause), local.send(pid, signal.SIGCONT))


def settle(cluster):
    for node in cluster["nodes"]:
        local.wait_ready(node)
    time.sleep(SETTLE_SECONDS)


def campaign(options, folder):
    builder = local.Builder(folder, options.nodes, False, os.environ["QUARTERMASTER_BIN"], zone=demo.quiet_zone())
    local.say(f"{options.nodes} nodes in {folder}")
    cluster = builder.up()
    try:
        fleet = usage.Fleet(usage.measured_files(demo.PROJECT))
        demo.make_pools(cluster, fleet)
        stop, problems = threading.Event(), []
        reporters = [usage.Reporter(cluster, first=index) for index in range(options.clients)]
        probe = Probe(cluster, fleet, fleet.slaves.pop())
        threads = demo.load(cluster, fleet, stop, reporters, problems)
        gaps = []
        for number in range(options.count or FAULTS):
            settle(cluster)
            moment, mend = disturb(options, cluster)
            gaps.append(probe.first_after(moment))
            print(f"    {number + 1:>3}: {gaps[-1]:.3f} s", file=sys.stderr, flush=True)
            mend()
        settle(cluster)
        stop.set()
        probe.stop.set()
        for thread in [*threads, probe.thread]:
            thread.join(timeout=90)
        for problem in problems + probe.problems:
            raise problem
        fleet.slaves.append(probe.slave)
        counted = probe.reporter.acknowledged + sum(reporter.acknowledged for reporter in reporters)
        again = probe.reporter.duplicates + sum(reporter.duplicates for reporter in reporters)
        demo.check(cluster, fleet, f"after {len(gaps)} {options.what}")
        gaps.sort()
        print(f"{options.what}: {len(gaps)}, nodes: {options.nodes}, clients: {options.clients + 1}")
        print(f"reports acknowledged: {counted}, sent again and counted once: {again}, lost or doubled: 0")
        print(f"next acknowledged write: median {statistics.median(gaps):.3f} s, worst {gaps[-1]:.3f} s")
    finally:
        local.stop_all(cluster["nodes"])


def besiege(options, folder):
    """Hostile clients only: what they are answered, and what they cost."""
    builder = local.Builder(folder, options.nodes, True, os.environ["QUARTERMASTER_BIN"])
    cluster = builder.up()
    try:
        hostile.campaign(cluster, options.count or HOSTILE_REQUESTS, options.clients)
    finally:
        local.stop_all(cluster["nodes"])


def race(options, folder):
    """Logins that race for seats while the leader is killed."""
    builder = local.Builder(folder, options.nodes, True, os.environ["QUARTERMASTER_BIN"])
    cluster = builder.up()
    try:
        seats.campaign(builder, cluster, options.count or RACES, SEATS, LOGINS, RACERS)
    finally:
        local.stop_all(cluster["nodes"])


KINDS = {"hostile": besiege, "seats": race}


def main():
    options = arguments()
    folder = options.dir or tempfile.mkdtemp(prefix="quartermaster-campaign-")
    try:
        KINDS.get(options.what, campaign)(options, folder)
    except local.Problem as problem:
        print(f"error: {problem}\nthe cluster's files stay in {Path(folder)}", file=sys.stderr)
        raise SystemExit(1) from None
    except KeyboardInterrupt:
        raise SystemExit(130) from None
    if not options.dir:
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
