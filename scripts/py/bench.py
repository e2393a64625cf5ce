"""scripts/bench: our three nodes and etcd's, in alternation, under the same load generator; ratios with their spread.

The generator is `quartermaster bench`: one process, one thread, prepared requests on kept-alive HTTP/1.1 connections with
one request under way on each. It asks etcd's JSON gateway with the very loop, sockets and clock that it asks us with, so
what it takes from the two cores is the same for both; what etcd's gateway costs is shown by the same puts over etcd's own
protocol and by etcd's own `check perf`. Our requests carry a bearer token and are checked as always; etcd runs without
authentication. Reports and puts carry the same content. Both sides sync before they acknowledge.
"""

import argparse
import collections
import json
import os
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import demo
import etcd
import local

REPORT_BYTES = 1_234  # what the generator's reports carry
POOLS = 256  # one for each connection that edits
SEATS = 1_000  # more than connections: what is measured is taking and giving back, not being refused

# name, our work, our node, etcd's work, etcd's node; 0 is the leader, 1 a follower
PAIRS = [
    ("report, leader", "report", 0, "put", 0),
    ("report, follower", "report", 1, "put", 1),
    ("batch of 100, leader", "batch", 0, "put", 0),
    ("batch of 100, follower", "batch", 1, "put", 1),
    ("pool edit, leader", "edit", 0, "put", 0),
    ("login and logout, leader", "seat", 0, "put", 0),
    ("login and logout, follower", "seat", 1, "put", 1),
    ("read, leader", "read", 0, "range", 0),
    ("read, follower", "read", 1, "range", 1),
]
# What the project promises: pair, connections, least ratio.
PROMISES = [
    ("report, leader", 64, 6.0),
    ("report, follower", 64, 5.0),
    ("batch of 100, leader", 16, 100.0),
    ("read, leader", 64, 12.0),
    ("read, follower", 64, 10.0),
    ("report, leader", 1, 1.7),
    ("login and logout, leader", 64, 2.0),
]
LEADER_CPU_US = 25.0


def arguments():
    parser = argparse.ArgumentParser(prog="scripts/bench", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)  # fmt: skip
    parser.add_argument("--quick", action="store_true", help="one round of short goes at 1, 16 and 64 connections")
    parser.add_argument("--tls", action="store_true", help="TLS on every connection of both, instead of none")
    parser.add_argument("--rounds", type=int, help="how often everything is measured (default: 3; quick: 1)")
    parser.add_argument("--seconds", type=float, help="that each go is measured (default: 2; quick: 1.5)")
    parser.add_argument("--connections", help="such as 1,16,64,256")
    parser.add_argument("--only", help="pairs whose name contains this word, such as report or read")
    parser.add_argument("--no-etcd", action="store_true", help="only our side: to try something out")
    parser.add_argument("--no-checks", action="store_true", help="skip the strace step and etcd's own check")
    parser.add_argument("--slaves", type=int, default=1_000, help="that the requests are spread over (default: 1000)")
    parser.add_argument("--profile", metavar="FILE", help="perf's samples of our leader, while the first pair runs last")
    options = parser.parse_args()
    options.rounds = options.rounds or (1 if options.quick else 3)
    options.seconds = options.seconds or (1.5 if options.quick else 2.0)
    spread = options.connections or ("1,16,64" if options.quick or options.tls else "1,16,64,256")
    options.connections = [int(one) for one in spread.split(",")]
    return options


class Ours:
    """Our cluster, and what was acknowledged by it."""

    def __init__(self, folder, tls):
        self.binary = os.environ["QUARTERMASTER_BIN"]
        builder = local.Builder(folder, 3, not tls, self.binary, name="bench", zone=demo.quiet_zone())
        builder.more = [] if tls else ["--plain-peers"]
        self.cluster = builder.up()
        self.token_file = Path(folder) / "token"
        api = self.api(self.cluster["nodes"][0])
        local.write_secret(self.token_file, api.token + "\n")
        for number in range(POOLS):
            api.post("pools", {"name": f"bench-{number}", "stack": "enterprise", "quota": 1_000_000})
        api.close()
        builder.seats("bench", SEATS)
        self.bytes = 0

    def api(self, node):
        return local.login(node["api"], self.cluster["ca_file"], self.cluster["admin"])

    def ordered(self):
        leader = demo.leader_of(self.cluster)
        return sorted(self.cluster["nodes"], key=lambda node: node["id"] != leader["id"])

    def down(self):
        local.stop_all(self.cluster["nodes"])


def pairs_of(options):
    return [pair for pair in PAIRS if not options.only or options.only in pair[0]]


class Bench:
    """Both clusters, and every go with the generator."""

    def __init__(self, options, folder):
        self.options, self.folder = options, Path(folder)
        self.run = 0
        self.ours = self.etcd = None
        self.found = collections.defaultdict(list)

    def up(self):
        local.say(f"three nodes of ours{'' if self.options.no_etcd else f' and of etcd {etcd.version()}'} in {self.folder}")
        self.ours = Ours(self.folder / "ours", self.options.tls)
        if not self.options.no_etcd:
            self.etcd = etcd.Etcd(self.folder / "etcd", self.options.tls)
            self.etcd.up()

    def down(self):
        for system in (self.ours, self.etcd):
            if system:
                system.down()

    def load(self, side, work, place, connections, *more, seconds=None):
        """One go; the generator's own words."""
        self.run += 1
        nodes = (self.ours if side == "ours" else self.etcd).ordered()
        command = [self.ours.binary, "bench", work, "--url", nodes[place]["api"], "-o", "json", "--fill"]
        command += ["--connections", str(connections), "--measure", f"{(seconds or self.options.seconds) * 1000:.0f}ms"]
        command += ["--run", str(self.run), "--slaves", str(max(self.options.slaves, connections))]
        for node in nodes:
            command += ["--watch", str(node["pid"])]
        if side == "ours":
            command += ["--token-file", str(self.ours.token_file)]
        if self.options.tls:
            command += ["--ca", self.ours.cluster["ca_file"] if side == "ours" else self.etcd.ca_file]
        done = subprocess.run([*command, *more], capture_output=True, text=True, check=False, timeout=300)
        if done.returncode != 0:
            raise local.Problem(f"{side} {work} at {connections}: {done.stderr.strip()}")
        said = json.loads(done.stdout)
        if side == "ours":
            self.ours.bytes += said["acknowledged_bytes"]
        return said

    def round(self, number):
        pairs = pairs_of(self.options)
        for connections in self.options.connections:
            theirs = {}
            for name, work, place, their_work, their_place in pairs:
                sides = [("ours", work, place)]
                if self.etcd and (their_work, their_place) not in theirs:
                    sides.append(("etcd", their_work, their_place))
                for side, what, where in sides if number % 2 == 0 else reversed(sides):
                    said = self.load(side, what, where, connections)
                    if side == "etcd":
                        theirs[(what, where)] = said
                    else:
                        ours = said
                other = theirs.get((their_work, their_place))
                self.found[(name, connections)].append((ours, other))
                print(line(name, connections, ours, other), file=sys.stderr, flush=True)


def unit(said):
    return said["per_second"] * (100 if said["work"] == "batch" else 1)


def line(name, connections, ours, other):
    text = f"    {name:<24}{connections:>5}  {unit(ours):>9.0f}/s  p99 {ours['latency_us']['p99']:>7.0f} us"
    text += "  cpu " + " ".join(f"{cpu:.1f}" for cpu in ours["cpu_us"]) + f" gen {ours['own_cpu_us']:.1f}"
    if other:
        text += f"  etcd {other['per_second']:>7.0f}/s p99 {other['latency_us']['p99']:>7.0f}"
        text += f"  ratio {unit(ours) / other['per_second']:.2f}"
    return text


def middle(values):
    return statistics.median(values)


def table(bench):
    """Markdown: a line for each pair and number of connections."""
    lines = ["| work | connections | ours/s | etcd/s | ratio [spread] | p50 ms, ours/etcd | p99 ms, ours/etcd | "
             "CPU µs: leader, followers, generator | etcd's CPU µs |", "|---|---|---|---|---|---|---|---|---|"]  # fmt: skip
    for (name, connections), goes in bench.found.items():
        ours, theirs = [ours for ours, _ in goes], [other for _, other in goes if other]
        ratios = [unit(one) / other["per_second"] for one, other in goes if other]
        shown = f"**{middle(ratios):.1f}** [{min(ratios):.1f}..{max(ratios):.1f}]" if ratios else "–"

        def latency(at):
            own = f"{middle([one['latency_us'][at] for one in ours]) / 1000:.2f}"
            return own + (f" / {middle([one['latency_us'][at] for one in theirs]) / 1000:.2f}" if theirs else "")

        def cpu(all_of):
            return ", ".join(f"{middle(list(values)):.1f}" for values in zip(*(one["cpu_us"] for one in all_of)))

        lines.append(f"| {name} | {connections} | {middle([unit(one) for one in ours]):,.0f} | "
                     + (f"{middle([one['per_second'] for one in theirs]):,.0f}" if theirs else "–")
                     + f" | {shown} | {latency('p50')} | {latency('p99')} | {cpu(ours)}, "
                     f"{middle([one['own_cpu_us'] for one in ours]):.1f} | {cpu(theirs) if theirs else '–'} |")  # fmt: skip
    return lines


def verdicts(bench):
    """Each promise, and whether this run keeps it."""
    lines = []
    for name, connections, least in PROMISES:
        ratios = [unit(one) / other["per_second"] for one, other in bench.found.get((name, connections), []) if other]
        if ratios:
            kept = "kept" if middle(ratios) >= least else "MISSED"
            lines.append(f"- {name}, {connections} connections: {middle(ratios):.1f} times etcd, promised {least:g}: {kept}")
    goes = [(one, other) for one, other in bench.found.get(("report, leader", 64), []) if other]
    if goes:
        own, theirs = (middle([one["latency_us"]["p99"] for one in side]) for side in zip(*goes))
        kept = "kept" if own <= theirs else "MISSED"
        lines.append(f"- p99 of reports, 64 connections: {own / 1000:.2f} ms, etcd's puts {theirs / 1000:.2f} ms: {kept}")
    goes = bench.found.get(("report, leader", 64), [])
    if goes:
        cpu = middle([one["cpu_us"][0] for one, _ in goes])
        lines.append(f"- CPU of a report on the leader, 64 connections: {cpu:.1f} µs, promised {LEADER_CPU_US:g}: "
                     + ("kept" if cpu <= LEADER_CPU_US else "MISSED"))  # fmt: skip
    return lines


# --- checks ----------------------------------------------------------------------------------------------------------


def check_sums(bench):
    """Every node has counted exactly what was acknowledged, and all agree."""
    local.wait_alike(bench.ours.cluster)
    for node in bench.ours.cluster["nodes"]:
        api = bench.ours.api(node)
        used = api.get("stacks/enterprise")["used_bytes"]
        api.close()
        if used != bench.ours.bytes:
            raise local.Problem(f"{node['name']} counted {used} bytes, acknowledged were {bench.ours.bytes}")
    return f"sums: every node counted the {bench.ours.bytes // REPORT_BYTES:,} acknowledged reports, no more and no less"


def syncs(path):
    """When each sync began and ended, in microseconds of the wall clock, as strace saw it."""
    begun, found = {}, []
    for text in Path(path).read_text(encoding="utf-8", errors="replace").splitlines():
        match = re.match(r"(?:\[pid +)?(\d+)\]? +(\d+\.\d+) (.*)", text)
        if not match:
            continue
        thread, at, what = match.group(1), round(float(match.group(2)) * 1e6), match.group(3)
        took = re.search(r"= 0 <(\d+\.\d+)>", what)
        if "unfinished" in what:
            begun[thread] = at
        elif "resumed" in what and took and thread in begun:
            found.append((begun.pop(thread), at))
        elif took and re.match(r"f(data)?sync\(", what):
            found.append((at, at + round(float(took.group(1)) * 1e6)))
    return found


def check_syncs(bench):
    """One report at a time, under strace: between its sending and its acknowledgement a majority began and ended a sync."""
    tracers, files = [], []
    nodes = bench.ours.ordered()
    for node in nodes:
        file = bench.folder / f"{node['name']}.strace"
        files.append(file)
        command = ["strace", "-f", "-ttt", "-T", "-e", "trace=fdatasync,fsync", "-o", str(file), "-p", str(node["pid"])]
        tracers.append(subprocess.Popen(command, stderr=subprocess.DEVNULL))
    trace = bench.folder / "requests"
    try:
        time.sleep(1.0)
        bench.load("ours", "report", 0, 1, "--trace", str(trace), seconds=1.0)
    finally:
        for tracer in tracers:
            tracer.terminate()
            tracer.wait()
    requests = [tuple(map(int, text.split())) for text in trace.read_text(encoding="utf-8").splitlines()]
    seen = [syncs(file) for file in files]
    counted, without = [0] * len(seen), 0
    for begin, end in requests:
        within = [any(begin <= first and last <= end + 1 for first, last in node) for node in seen]
        counted = [count + one for count, one in zip(counted, within)]
        without += sum(within) < 2
    if without or not requests:
        raise local.Problem(f"{without} of {len(requests)} acknowledgements came without a majority's sync")
    return f"syncs: {len(requests):,} acknowledgements one by one, each after a sync on a majority " \
           f"(leader {counted[0]:,}, followers {counted[1]:,} and {counted[2]:,} within the request)"


def check_gateway(bench):
    """etcd's own protocol, so that nobody blames its gateway."""
    lines = []
    if not bench.options.tls:
        for work, other in (("put", "native-put"), ("range", "native-range")):
            gateway, native = (bench.load("etcd", one, 0, 64)["per_second"] for one in (work, other))
            lines.append(f"etcd's {work}, leader, 64 connections: {gateway:,.0f}/s through its gateway, "
                         f"{native:,.0f}/s over its own protocol")  # fmt: skip
    if not bench.options.quick:
        lines += [f"etcdctl check perf --load=l: {said}" for said in bench.etcd.check_perf()]
    return lines


def profile(bench):
    """Where the leader's time goes while the first pair's work comes on 64 connections."""
    work = pairs_of(bench.options)[0][1]
    leader = bench.ours.ordered()[0]
    command = ["perf", "record", "-e", "cpu-clock", "-F", "999", "-g", "-p", str(leader["pid"]), "-o", bench.options.profile]
    recorder = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        bench.load("ours", work, 0, 64, seconds=6.0)
    finally:
        recorder.terminate()
        recorder.wait()


def measure(bench):
    options = bench.options
    for number in range(options.rounds):
        local.say(f"round {number + 1} of {options.rounds}")
        bench.round(number)
    checks = []
    if options.profile:
        profile(bench)
    if not options.no_checks:
        local.say("checks")
        checks.append(check_syncs(bench))
        checks += check_gateway(bench) if bench.etcd else []
    checks.append(check_sums(bench))
    print("\n".join([*table(bench), "", *verdicts(bench), "", *(f"- {check}" for check in checks)]))


def main():
    options = arguments()
    folder = tempfile.mkdtemp(prefix="quartermaster-bench-")
    bench = Bench(options, folder)
    try:
        bench.up()
        measure(bench)
    except local.Problem as problem:
        print(f"error: {problem}", file=sys.stderr)
        raise SystemExit(1) from None
    except KeyboardInterrupt:
        raise SystemExit(130) from None
    finally:
        bench.down()
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
