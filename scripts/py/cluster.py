"""scripts/cluster: a local cluster for tests and experiments."""

import argparse
import os
import sys
from pathlib import Path

import local

EXAMPLES = """examples:
  scripts/cluster up --nodes 3 --dir /tmp/qm          three nodes, a license of 10 TB a day in stack enterprise
  scripts/cluster up --nodes 1 --dir /tmp/one --empty --plain-http
  scripts/cluster status --dir /tmp/qm
  scripts/cluster down --dir /tmp/qm                  nothing of it runs afterwards; the directory stays

DIR/cluster.json tells a program everything: nodes with addresses and command lines, credentials, issuer keys."""


def arguments():
    parser = argparse.ArgumentParser(
        prog="scripts/cluster",
        description="A cluster on this machine.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("action", choices=["up", "down", "status"])
    parser.add_argument("--dir", required=True, help="where everything of this cluster lies")
    parser.add_argument("--nodes", type=int, default=3, choices=[1, 2, 3, 4, 5, 6, 7], help="how many (default: 3)")
    parser.add_argument("--plain-http", action="store_true", help="the API without TLS")
    parser.add_argument("--empty", action="store_true", help="trusted issuer keys, but no license")
    return parser.parse_args()


def up(options):
    before = local.load(options.dir)
    if before is not None:
        resume(options, before)
        return
    folder = Path(options.dir)
    if folder.exists() and any(folder.iterdir()):
        raise local.Problem(f"{folder} is not empty and holds no cluster.json: choose another directory")
    builder = local.Builder(folder, options.nodes, options.plain_http, os.environ["QUARTERMASTER_BIN"])
    local.say(f"starting {options.nodes} node(s) in {folder}")
    cluster = builder.up(options.empty, progress=local.say)
    for node in cluster["nodes"]:
        print(f"{node['name']}  {node['api']}  pid {node['pid']}")
    local.say(f"serves; everything about it is in {folder / 'cluster.json'}")


def resume(options, cluster):
    """Starts what does not run of a cluster that was here before, as it was."""
    if len(cluster["nodes"]) != options.nodes:
        raise local.Problem(f"{options.dir} holds a cluster of {len(cluster['nodes'])} node(s): choose another directory")
    for node in cluster["nodes"]:
        running = local.processes(node)
        if running:
            node["pid"] = running[0]
        else:
            local.say(f"starting {node['name']} again")
            local.start(node)
    local.save(options.dir, cluster)
    local.wait_alike(cluster)
    local.say("serves")


def down(options):
    cluster = local.load(options.dir)
    if cluster is None:
        local.say(f"no cluster in {options.dir}")
        return
    local.stop_all(cluster["nodes"])
    local.say("stopped")


def status(options):
    """A line a node; fails unless every node runs and is ready."""
    cluster = local.load(options.dir)
    if cluster is None:
        raise local.Problem(f"no cluster in {options.dir}")
    good = True
    print(f"{'NAME':<6}{'ID':<6}{'PID':<9}{'API':<27}STATE")
    for node in cluster["nodes"]:
        running = local.processes(node)
        ready, why = local.readyz(node) if running else (False, "not running")
        state = "ready" if ready else why.replace("\n", "; ")
        print(f"{node['name']:<6}{node['id']!s:<6}{running[0] if running else '-':<9}{node['api']:<27}{state}")
        good = good and ready
    if not good:
        raise SystemExit(5)


def main():
    options = arguments()
    try:
        {"up": up, "down": down, "status": status}[options.action](options)
    except local.Problem as problem:
        print(f"error: {problem}", file=sys.stderr)
        raise SystemExit(1) from None
    except KeyboardInterrupt:
        raise SystemExit(130) from None


if __name__ == "__main__":
    main()
