"""scripts/campaign scale: what a million slaves cost: a report, memory, a restart, a new node, lists. Draws docs/scale.svg.

Each size has a cluster of its own: three nodes with plain HTTP on loopback, reports spread evenly at random over all slaves.
They report in turn, one cluster at a time, and each round compares the sizes: a machine that others share is not as fast in
one minute as in the next. The largest one then lists, restarts and takes in a fourth node.

--days 35 gives one size a past instead: so many license days with --records single reports in all, each day with its share. The
nodes' clocks begin in the past and are put forward (Debian's libfaketime); then all run on by the machine's own clock.
"""

import argparse
import concurrent.futures
import os
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import demo
import local
import plot

SIZES = (1_000, 100_000, 1_000_000)
MEMORY_BYTES = 1_500_000_000
RESTART_SECONDS = 10.0
PAGE = 10_000
DAY_SECONDS = 600.0  # that a day's share of the records may take
CONNECTIONS = 64
FILL = 1_000  # slaves in one request of `quartermaster bench --fill`
FIRST_REPORTS = 20_000  # after filling, before anything is measured
DAY_MS = 86_400_000
FAKED = ("LD_PRELOAD", "FAKETIME_TIMESTAMP_FILE", "FAKETIME_CACHE_DURATION", "FAKETIME_DONT_FAKE_MONOTONIC")
TICKS = os.sysconf("SC_CLK_TCK")


def arguments():
    parser = argparse.ArgumentParser(prog="scripts/campaign scale", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)  # fmt: skip
    parser.add_argument("scale")
    parser.add_argument("--sizes", default=",".join(map(str, SIZES)), help="slaves (default: %(default)s)")
    parser.add_argument("--pools", type=int, default=9_990, help="10,000 are the most, automatic ones included (default: %(default)s)")
    parser.add_argument("--rounds", type=int, default=7, help="times that each size is measured (default: %(default)s)")
    parser.add_argument("--seconds", type=float, default=2.0, help="of one measurement (default: %(default)s)")
    parser.add_argument("--settle", type=float, default=30.0,
                        help="seconds in turn before the first: what filling left to write has ended then (default: %(default)s)")
    parser.add_argument("--only-reports", action="store_true", help="no lists, restarts and new node: the cost of a report only")
    parser.add_argument("--days", type=int, help="license days that the last size gets behind it")
    parser.add_argument("--records", type=int, default=10_000_000, help="reports of these days (default: %(default)s)")
    parser.add_argument("--svg", help="draw the picture into this file")
    options = parser.parse_args()
    options.sizes = [int(size) for size in options.sizes.split(",")]
    return options


def memory(node):
    """Bytes that a node has in memory."""
    status = Path(f"/proc/{node['pid']}/status").read_text(encoding="utf-8")
    return next(int(text.split()[1]) * 1024 for text in status.splitlines() if text.startswith("VmRSS"))


def cpu(node):
    """Seconds of CPU that a node has used."""
    fields = Path(f"/proc/{node['pid']}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def disk(node):
    """Bytes that a node has on disk."""
    return sum(path.stat().st_blocks * 512 for path in Path(node["data_dir"]).rglob("*") if path.is_file())


def faketime():
    """The library that gives a process another clock."""
    found = sorted(Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1"))
    if not found:
        raise local.Problem("libfaketime is missing: apt-get install --no-install-recommends libfaketime")
    return str(found[0])


class Scale:
    """A cluster of one size."""

    def __init__(self, options, folder, slaves):
        self.options, self.slaves = options, slaves
        self.builder = local.Builder(folder, 4, True, os.environ["QUARTERMASTER_BIN"], name="scale", zone=demo.quiet_zone())
        self.builder.more = ["--plain-peers"]
        self.folder = Path(folder)
        self.token_file = self.folder / "token"
        self.load = None

    def up(self):
        self.folder.mkdir(parents=True, exist_ok=True)
        local.write_secret(self.builder.password_file, self.builder.admin["password"] + "\n")
        self.builder.plan()
        self.nodes = self.builder.nodes[:3]
        self.builder.first(self.nodes[0])
        for node in self.nodes[1:]:
            self.builder.further(node)
        keys = self.builder.issuers()
        self.builder.license(keys["ed25519"])
        self.cluster = {**self.builder.description(keys), "nodes": self.nodes}
        local.wait_alike(self.cluster)

    def ordered(self):
        leader = demo.leader_of(self.cluster)
        return sorted(self.nodes, key=lambda node: node["id"] != leader["id"])

    def make_pools(self):
        def some(numbers):
            api = self.builder.api(self.nodes[0])
            for number in numbers:
                api.post("pools", {"name": f"pool-{number:05}", "stack": "enterprise", "quota": 1_000_000})
            api.close()

        began = time.monotonic()
        with concurrent.futures.ThreadPoolExecutor(8) as threads:
            list(threads.map(some, [range(first, self.options.pools, 8) for first in range(8)]))
        say(f"{self.slaves:,} slaves: {self.options.pools:,} pools in {time.monotonic() - began:.1f} s")

    def report(self):
        """A load that fills, then reports until it is ended."""
        node = self.ordered()[0]
        self.api = self.builder.api(node)
        created = self.api.post("tokens", {"label": "scale", "ttl_ms": 100 * DAY_MS})
        self.api.token = created["token"]
        local.write_secret(self.token_file, created["token"] + "\n")
        command = [self.builder.binary, "bench", "report", "--url", node["api"], "--token-file", str(self.token_file), "--fill"]
        command += ["--connections", str(CONNECTIONS), "--slaves", str(self.slaves), "--measure", "10h"]
        self.first = self.seq()
        honest = {name: value for name, value in os.environ.items() if name not in FAKED}
        self.load = subprocess.Popen(command, env=honest, stdout=subprocess.DEVNULL)

    def seq(self):
        return self.api.get("cluster")["applied_seq"]

    def has(self, wanted):
        if self.load.poll() is not None:
            raise local.Problem(f"the load ended with {self.load.returncode}")
        now = self.seq()
        return now >= wanted, f"record {now:,} of {wanted:,}"

    def fill(self):
        began = time.monotonic()
        self.report()
        requests = CONNECTIONS * -(-self.slaves // CONNECTIONS // FILL)
        local.wait_for("filling", 900, lambda: self.has(self.first + requests + FIRST_REPORTS))
        self.load.send_signal(signal.SIGSTOP)
        say(f"{self.slaves:,} slaves: filled in {time.monotonic() - began:.1f} s, memory {self.memory() / 1e6:,.0f} MB")

    def memory(self):
        return max(map(memory, self.nodes))

    def sample(self, nodes):
        return [cpu(node) for node in nodes], self.seq(), time.monotonic()

    def measure(self):
        """CPU microseconds of a report on all nodes and on the leader, and reports in a second."""
        nodes = self.ordered()
        self.load.send_signal(signal.SIGCONT)
        time.sleep(self.options.seconds / 4)
        before, first, began = self.sample(nodes)
        time.sleep(self.options.seconds)
        after, last, ended = self.sample(nodes)
        self.has(0)
        self.load.send_signal(signal.SIGSTOP)
        used = [(then - now) * 1e6 / (last - first) for then, now in zip(after, before, strict=True)]
        return sum(used), used[0], (last - first) / (ended - began)

    def quiet(self):
        if self.load:
            self.load.kill()
            self.load.wait()
            self.load = None

    def down(self):
        self.quiet()
        local.stop_all(self.builder.nodes)

    def set_clocks(self, days_ago):
        """All nodes and commands that are started from here on, and those that run, live so many days ago."""
        self.folder.mkdir(parents=True, exist_ok=True)
        clock = self.folder / "clock"
        fresh = self.folder / "clock.new"
        fresh.write_text(f"-{days_ago}d\n", encoding="utf-8")
        fresh.replace(clock)
        # read again each second; what measures durations goes on undisturbed
        os.environ.update(zip(FAKED, (faketime(), str(clock), "1", "1"), strict=True))

    def live(self, days, records):
        """Reports until every day had its share; from then on by the machine's own clock."""
        began = time.monotonic()
        self.report()
        for day in range(days):
            self.set_clocks(days - 1 - day)
            wanted = self.first + records * (day + 1) // days
            local.wait_for(f"day {day + 1}", DAY_SECONDS, lambda wanted=wanted: self.has(wanted))
        self.quiet()
        for name in FAKED:
            del os.environ[name]
        local.wait_alike(self.cluster)
        since = time.strftime("%Y-%m-%d", time.gmtime(time.time() - (days + 1) * DAY_MS / 1000))
        lived = [day for day in self.api.get(f"usage/days?from={since}")["days"] if day["bytes"]]
        say(f"{self.slaves:,} slaves, {len(lived)} days, {self.seq():,} records after {time.monotonic() - began:.0f} s; memory "
            f"{self.memory() / 1e6:,.0f} MB, disk {max(map(disk, self.nodes)) / 1e6:,.0f} MB")  # fmt: skip

    def restart(self, number, how):
        node = self.ordered()[1]
        [pid] = local.processes(node)
        local.send(pid, number)
        local.wait_for("it ends", 60, lambda: (not local.processes(node), "it runs"))
        local.reap()
        began = time.monotonic()
        local.wait_ready(node, local.start(node), seconds=120)
        took = time.monotonic() - began
        say(f"restart after {how}: serving after {took:.1f} s, memory {memory(node) / 1e6:,.0f} MB")
        return took

    def new_node(self):
        node = self.builder.nodes[3]
        began = time.monotonic()
        self.builder.further(node)
        say(f"a new node: joined, caught up and a voter after {time.monotonic() - began:.1f} s, "
                 f"memory {memory(node) / 1e6:,.0f} MB")  # fmt: skip

    def lists(self):
        node = self.ordered()[1]
        api = local.Api(node["api"], None, self.token_file.read_text(encoding="utf-8").strip(), timeout=300)
        for what in (f"slaves?limit={PAGE}", f"slaves?limit={PAGE}&state=active", "slaves?limit=100&state=silent",
                     "slaves?limit=100&pool=pool-00001", "pools?limit=10000", "usage/days?limit=1000"):  # fmt: skip
            began = time.monotonic()
            answer = api.get(what)
            items = answer["days"] if "days" in answer else answer["items"]
            say(f"GET {what}: {len(items):,} items in {(time.monotonic() - began) * 1000:,.0f} ms")
        before, most, began, size = memory(node), 0, time.monotonic(), 0
        api.connection.request("GET", "/api/v1/slaves?all=true", headers={"Authorization": f"Bearer {api.token}"})
        answer = api.connection.getresponse()
        while piece := answer.read(1 << 20):
            size += len(piece)
            most = max(most, memory(node))
        say(f"GET slaves?all=true: {size / 1e6:,.0f} MB in {time.monotonic() - began:.1f} s, "
                 f"memory grew by {max(0, most - before) / 1e6:.0f} MB meanwhile")  # fmt: skip
        api.close()


said = []


def say(text):
    said.append(text)
    local.say(text)


def grow(options, scales):
    """The cost of a report at each size; gives by how much the dearest is above the first, in the median of all rounds."""
    # the largest first, and none rests for long: nodes end connections that idle
    turns = sorted(scales, key=lambda scale: -scale.slaves)
    for scale in turns:
        scale.fill()
    settled, rounds = time.monotonic() + options.settle, []
    while len(rounds) < options.rounds:
        seen = {scale: scale.measure() for scale in turns}
        if time.monotonic() > settled:
            rounds.append([seen[scale] for scale in scales])
    found, above = {}, []
    for scale, seen in zip(scales, zip(*rounds, strict=True), strict=True):
        everywhere, leader, rate = (statistics.median(one) for one in zip(*seen, strict=True))
        found[scale.slaves] = (everywhere, leader)
        ratios = [one[0] / row[0][0] - 1 for one, row in zip(seen, rounds, strict=True)]
        above.append(statistics.median(ratios))
        say(f"{scale.slaves:,} slaves: {rate:,.0f} reports/s, CPU of a report {leader:.1f} us on the leader, {everywhere:.1f} us on "
            f"all three, {above[-1] * 100:+.0f} % [{min(ratios) * 100:+.0f}..{max(ratios) * 100:+.0f}] beside {scales[0].slaves:,} "
            f"slaves; memory {scale.memory() / 1e6:,.0f} MB")  # fmt: skip
    if options.svg:
        draw(found, options.svg)
    return max(above)


def draw(found, path):
    plot.lines(
        path,
        "CPU time of one usage report, by slaves in state",
        "slaves (logarithmic)",
        "microseconds",
        list(found),
        {"all three nodes": [cost for cost, _ in found.values()], "leader": [cost for _, cost in found.values()]},
    )


def verdict(spread, scale, restarts):
    used = scale.memory()
    judged = [(f"memory {used / 1e6:,.0f} MB, promised {MEMORY_BYTES / 1e6:,.0f}", used <= MEMORY_BYTES)]
    if spread is not None:
        text = f"a report costs {spread * 100:.0f} % more at its dearest size than at the first, promised 25 %"
        judged.append((text, spread <= 0.25))
    if restarts:
        slowest = max(restarts)
        judged.append((f"slowest restart {slowest:.1f} s, promised {RESTART_SECONDS:g}", slowest <= RESTART_SECONDS))
    for text, kept in judged:
        said.append(f"{text}: {'kept' if kept else 'MISSED'}")


def main():
    options = arguments()
    folder = tempfile.mkdtemp(prefix="quartermaster-scale-")
    sizes = options.sizes[-1:] if options.days else options.sizes
    scales = [Scale(options, f"{folder}/{size}", size) for size in sizes]
    try:
        if options.days:
            scales[0].set_clocks(options.days - 1)
        for scale in scales:
            scale.up()
            scale.make_pools()
        spread = scales[0].live(options.days, options.records) if options.days else grow(options, scales)
        *others, last = scales
        for other in others:
            other.down()
        last.quiet()
        restarts = []
        if not options.only_reports:
            last.lists()
            restarts = [last.restart(signal.SIGTERM, "a clean stop"), last.restart(signal.SIGKILL, "kill -9")]
            last.new_node()
        verdict(spread, last, restarts)
        print("\n".join(f"- {text}" for text in said))
    except local.Problem as problem:
        print(f"error: {problem}", file=sys.stderr)
        raise SystemExit(1) from None
    except KeyboardInterrupt:
        raise SystemExit(130) from None
    finally:
        for scale in scales:
            scale.down()
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
