"""scripts/demo: three nodes with a license, pools and real usage; --once checks itself and ends."""

import argparse
import os
import shutil
import signal
import sys
import tempfile
import threading
import time
from pathlib import Path

import agents
import local
import usage

PROJECT = Path(__file__).resolve().parents[2]
LOAD_SECONDS = 3.0
AGENTS = 6  # of the slaves; the others report what this script measured
# what agents watch besides logs that grow: source trees that lie still
TREES = ("src", "tests", "docs", "/usr/include", "/usr/share/perl", "/usr/lib/python3", "/usr/share/doc")


def human(size):
    for unit in ("B", "KiB", "MiB", "GiB"):
        if size < 1024 or unit == "GiB":
            return f"{size:.1f} {unit}" if unit != "B" else f"{size} B"
        size /= 1024
    return str(size)


def bar(done, total, began):
    if sys.stderr.isatty():
        width = 30
        filled = width * done // max(1, total)
        line = f"\r    [{'#' * filled}{'.' * (width - filled)}] {done}/{total} reports, {time.monotonic() - began:.1f} s"
        print(line, end="\n" if done == total else "", file=sys.stderr, flush=True)
    elif done == total:
        print(f"    {done} reports in {time.monotonic() - began:.1f} s", file=sys.stderr, flush=True)


def quiet_zone():
    """A zone in which it is morning: the license day does not end while the numbers are checked."""
    ahead = 8 - time.gmtime().tm_hour
    ahead += 24 if ahead < -12 else 0
    return f"Etc/GMT{-ahead:+d}" if ahead else "UTC"


def begin(folder, zone):
    local.say("2/4  starting three nodes, with an issuer key, a license and pools")
    builder = local.Builder(folder, 3, False, os.environ["QUARTERMASTER_BIN"], name="demo", zone=zone)
    return builder.up(progress=lambda text: print(f"    {text}", file=sys.stderr, flush=True))


def make_pools(cluster, fleet):
    api = local.login(cluster["nodes"][0]["api"], cluster["ca_file"], cluster["admin"])
    # the automatic pool takes the whole stack: pools beside it are allowed, for their quotas fit into the stack's
    for name, quota, _ in usage.POOLS:
        wish = {"name": name, "stack": "enterprise", "quota": quota, "slaves": fleet.members(name)}
        api.post("pools", {**wish, "description": f"demo: the {name} indexers"})
    api.close()


def report_all(cluster, fleet, rounds):
    """Every slave reports some rounds, through every node in turn."""
    reporter = usage.Reporter(cluster)
    began, done, total = time.monotonic(), 0, rounds * len(fleet.slaves)
    for _ in range(rounds):
        for slave in fleet.slaves:
            reporter.turn += 1
            reporter.send([fleet.next_report(slave)])
            done += 1
            if done % 10 == 0 or done == total:
                bar(done, total, began)


class Agents:
    """Slaves that real agents report for: logs that grow and turn over, and source trees."""

    def __init__(self, cluster, fleet, folder):
        agents.report_often(cluster)
        self.slaves, self.all = fleet.hand_over(AGENTS), []
        trees = [path for path in (PROJECT / tree for tree in TREES) if path.is_dir()]
        for number, slave in enumerate(self.slaves):
            where, mine = Path(folder) / "agents" / slave.host, trees[number::AGENTS]
            self.all.append(agents.Agent(cluster, where, slave.guid, slave.host, mine, seed=number))
            self.all[-1].start()
        self.write()

    def write(self):
        for agent in self.all:
            agent.logs.start()

    def settle(self):
        """Stops the writing, and waits until every byte of every agent's files is counted."""
        for agent in self.all:
            agent.logs.stop()
        for agent in self.all:
            agent.settled()
        self.note()
        turns = sum(sum(agent.logs.turns.values()) for agent in self.all)
        local.say(f"{len(self.all)} agents: every byte of their files is counted, after {turns} rotations")

    def note(self):
        """What each has had counted, for the sums."""
        for slave, agent in zip(self.slaves, self.all):
            slave.bytes = (agent.status() or {}).get("counted_bytes", 0)

    def kill_one(self):
        victim = self.all[0]
        victim.kill()
        local.say(f"killed the agent of {victim.host} with -9; it starts again")
        victim.start()

    def stop(self):
        for agent in self.all:
            agent.logs.stop()
        for agent in self.all:
            agent.stop()

    def end(self):
        """Whatever happened: nothing of them runs afterwards."""
        for agent in self.all:
            agent.logs.stop()
            agent.kill()


def check(cluster, fleet, when):
    """Every node's pool numbers against the measured bytes, and all digests against each other."""
    seq, digest = local.wait_alike(cluster)
    wrong = usage.differences(cluster, fleet)
    if wrong:
        raise local.Problem(f"{when}: " + "; ".join(wrong))
    total = sum(fleet.expected().values())
    local.say(f"{when}: every node counts {total} bytes, as measured; journal {seq} has digest {digest[:16]} everywhere")


def load(cluster, fleet, stop, reporters, problems):
    """Threads that report without pause, each for its own slaves."""

    def work(index, reporter):
        mine = fleet.slaves[index :: len(reporters)]
        try:
            while not stop.is_set():
                for slave in mine:
                    reporter.send([fleet.next_report(slave, rows=20)])
        except Exception as problem:  # whatever it is, the check at the end must fail
            problems.append(problem)

    threads = [threading.Thread(target=work, args=pair, daemon=True) for pair in enumerate(reporters)]
    for thread in threads:
        thread.start()
    return threads


def leader_of(cluster):
    api = local.login(cluster["nodes"][0]["api"], cluster["ca_file"], cluster["admin"])
    leader = api.get("cluster")["leader"]
    api.close()
    return next(node for node in cluster["nodes"] if node["id"] == leader)


def kill_leader_under_load(cluster, fleet, crew):
    crew.write()
    stop, problems = threading.Event(), []
    reporters = [usage.Reporter(cluster, first=index) for index in range(6)]
    threads = load(cluster, fleet, stop, reporters, problems)
    time.sleep(LOAD_SECONDS)
    victim = leader_of(cluster)
    for reporter in reporters:
        reporter.longest_gap = 0.0
    for pid in local.processes(victim):
        local.send(pid, signal.SIGKILL)
    local.reap()
    local.say(f"killed the leader, {victim['name']}, with -9 while {len(threads)} clients report")
    time.sleep(LOAD_SECONDS)
    crew.kill_one()
    local.say(f"{victim['name']} starts again")
    local.wait_ready(victim, local.start(victim))
    time.sleep(LOAD_SECONDS)
    stop.set()
    for thread in threads:
        thread.join(timeout=90)
    if problems or any(thread.is_alive() for thread in threads):
        raise problems[0] if problems else local.Problem("a client still waits for an answer")
    crew.settle()
    counted = sum(reporter.acknowledged for reporter in reporters)
    again = sum(reporter.duplicates for reporter in reporters)
    gap = max(reporter.longest_gap for reporter in reporters)
    local.say(f"{counted} reports acknowledged, {again} of them sent twice and counted once, longest wait {gap:.2f} s")


def screen(cluster, fleet, folder, crew):
    """One screen: where it is, who may in, what to try."""
    node, admin = cluster["nodes"][0], cluster["admin"]
    other = cluster["nodes"][-1]
    curl = f"curl -s --cacert {cluster['ca_file']} -u {admin['username']}:$(cat {folder}/admin.password)"
    lines = ["", "Quartermaster runs: three nodes, one truth.", ""]
    lines += [f"  {each['name']}  {each['api']}   metrics {each['metrics']}/metrics" for each in cluster["nodes"]]
    lines += ["", f"  user {admin['username']}   password {admin['password']}   CA {cluster['ca_file']}", ""]
    lines += [f"  {size:>12}  {name}" for name, size in ((n, human(s)) for n, s in fleet.expected().items())]
    lines += [
        "",
        "Try (any node answers alike):",
        f"  {curl} {node['api']}/api/v1/cluster",
        f"  {curl} {other['api']}/api/v1/pools/web",
        f"  {curl} '{node['api']}/api/v1/usage/days?by=sourcetype'",
        f"  {curl} '{node['api']}/api/v1/journal?after=0&limit=5'",
        f"  {os.environ['QUARTERMASTER_BIN']} agent status --state-dir {crew.all[0].state}",
        f"  kill -9 {leader_of(cluster)['pid']}     # the leader; the others go on",
        f"  scripts/cluster up --dir {folder}     # starts again what was killed",
        "",
        "The slaves go on reporting. Ctrl-C stops everything.",
    ]
    print("\n".join(lines), flush=True)


def run_until_stopped(cluster, fleet):
    """Slaves report every few seconds until somebody stops it."""
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    reporter = usage.Reporter(cluster)
    while not stop.is_set():
        for slave in fleet.slaves:
            if stop.wait(0.25):
                break
            try:
                reporter.turn += 1
                reporter.send([fleet.next_report(slave, rows=20)])
            except local.Problem as problem:
                print(f"    {problem}", file=sys.stderr)
        local.reap()


def main():
    parser = argparse.ArgumentParser(prog="scripts/demo", description=__doc__)
    parser.add_argument("--once", action="store_true", help="check everything, kill the leader under load, and end")
    parser.add_argument("--dir", help="where the cluster lies (default: a new directory, removed at the end)")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    folder = options.dir or tempfile.mkdtemp(prefix="quartermaster-demo-")
    cluster = crew = None
    try:
        cluster = begin(folder, quiet_zone() if options.once else "UTC")
        local.say("3/4  measuring log files and source trees, and reporting them")
        files = usage.measured_files(PROJECT)
        print(f"    {len(files)} files, {human(sum(size for _, size, _ in files))}", file=sys.stderr)
        fleet = usage.Fleet(files)
        make_pools(cluster, fleet)
        crew = Agents(cluster, fleet, folder)
        report_all(cluster, fleet, rounds=max(1, len(files) // (usage.ROWS * usage.SLAVES)))
        local.say("4/4  checking")
        crew.settle()
        check(cluster, fleet, "after the first reports")
        if options.once:
            kill_leader_under_load(cluster, fleet, crew)
            check(cluster, fleet, "after the leader was killed and came back")
            crew.stop()
        else:
            screen(cluster, fleet, folder, crew)
            crew.write()
            run_until_stopped(cluster, fleet)
    except local.Problem as problem:
        print(f"error: {problem}", file=sys.stderr)
        keep = cluster["nodes"] if cluster else []
        for node in keep:
            print(f"--- {node['name']}\n{local.last_words(node, 8)}", file=sys.stderr)
        raise SystemExit(1) from None
    except KeyboardInterrupt:
        raise SystemExit(130) from None
    finally:
        if crew:
            crew.end()
        if cluster:
            local.say("stopping")
            local.stop_all(cluster["nodes"])
        if not options.dir:
            shutil.rmtree(folder, ignore_errors=True)
    local.say("done")


if __name__ == "__main__":
    main()
