"""scripts/campaign hostile: bad requests of every kind, many thousand; no 5xx, no hang, no growth.

Each kind is sent over a connection of its own, as hostile clients do. What comes back is a 4xx or a close, in time; the
node's resident memory must reach a plateau: its last third may not be above its middle third.
"""

import collections
import json
import socket
import statistics
import sys
import threading
import time
from pathlib import Path
from urllib.parse import urlsplit

import local

HANG_SECONDS = 15.0
GROWTH = 1.05
SAMPLES = 60


def request(method, path, headers="", body=b"", length=True):
    size = f"Content-Length: {len(body)}\r\n" if length else ""
    return f"{method} {path} HTTP/1.1\r\nHost: h\r\n{headers}{size}\r\n".encode() + body


def chunked(size, piece=64 << 10):
    chunk = f"{piece:x}\r\n".encode() + b"x" * piece + b"\r\n"
    return b"Transfer-Encoding: chunked\r\n", chunk * (size // piece) + b"0\r\n\r\n"


def kinds(token):
    """Name to bytes: one whole hostile conversation each."""
    sure = f"Authorization: Bearer {token}\r\nContent-Type: application/json\r\n"
    usage = "/api/v1/usage"
    _, chunks = chunked(2 << 20)
    chunk_head = f"POST {usage} HTTP/1.1\r\nHost: h\r\n{sure}Transfer-Encoding: chunked\r\n\r\n".encode()
    many_keys = json.dumps({f"k{n}": n for n in range(5000)}).encode()
    return {
        "broken json": request("POST", usage, sure, b'{"slave": "a", "sequence": 1, "rows": [{'),
        "wrong types": request("POST", usage, sure, b'{"slave": 7, "sequence": "x", "rows": {}}'),
        "negative bytes": request("POST", usage, sure, b'{"slave":"a","sequence":1,"rows":[{"bytes":-1}]}'),
        "huge number": request("POST", usage, sure, b'{"slave":"a","sequence":1e400,"rows":[]}'),
        "deep nesting": request("POST", usage, sure, b"[" * 100_000),
        "bad utf-8": request("POST", usage, sure, b'{"slave":"\xff\xfe","sequence":1,"rows":[]}'),
        "many members": request("POST", usage, sure, many_keys),
        "too long a body": request("POST", usage, sure, b"x" * (3 << 20)),
        "too long, chunked": chunk_head + chunks,
        "bad chunk": chunk_head + b"zz\r\nhello\r\n",
        "login with a megabyte": request("POST", "/api/v1/login", "", b"x" * (1 << 20)),
        "login without a body": request("POST", "/api/v1/login"),
        "license of noise": request("POST", "/api/v1/licenses", sure, bytes(range(256)) * 900),
        "unknown path": request("GET", "/api/v1/no/such/thing/" + "x" * 500, sure),
        "wrong method": request("PATCH", usage, sure, b"{}"),
        "method of noise": b"\x00\x01\x02 / HTTP/1.1\r\n\r\n",
        "no http at all": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(200),
        "head too large": request("GET", "/api/v1/cluster", "X-Big: " + "x" * (200 << 10) + "\r\n"),
        "too many headers": request("GET", "/api/v1/cluster", "".join(f"X-{n}: 1\r\n" for n in range(300))),
        "bad percent": request("GET", "/api/v1/pools/%zz%f", sure),
        "nul in a name": request("GET", "/api/v1/pools/%00%0d%0a", sure),
        "no credential": request("GET", "/api/v1/pools"),
        "credential of noise": request("GET", "/api/v1/pools", "Authorization: Basic \x80\x81:::\r\n"),
        "long credential": request("GET", "/api/v1/pools", "Authorization: Bearer " + "x" * 5000 + "\r\n"),
        "two lengths": b"POST /api/v1/usage HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello!",
        "length and chunks": request("POST", usage, sure + "Transfer-Encoding: chunked\r\n", b"0\r\n\r\n"),
        "gzip of noise": request("POST", usage, sure + "Content-Encoding: gzip\r\n", b"\x1f\x8b" + bytes(500)),
        "bad query": request("GET", "/api/v1/journal?after=-1&limit=99999999999999999999", sure),
        "unknown consistency": request("GET", "/api/v1/pools?consistency=maybe", sure),
    }


def half(token):
    """Conversations that stop in the middle: the client goes away."""
    sure = f"Authorization: Bearer {token}\r\n"
    return {
        "half a head": b"POST /api/v1/usage HTTP/1.1\r\nHost: h\r\nContent-Le",
        "half a body": request("POST", "/api/v1/usage", sure + "Content-Length: 1000\r\n", b'{"sl', length=False),
    }


class Hostile:
    """Counts what came back, by kind; one for all threads."""

    def __init__(self, address):
        self.address = address
        self.lock = threading.Lock()
        self.seconds = collections.defaultdict(list)
        self.answers = collections.defaultdict(collections.Counter)

    def converse(self, name, data, leave):
        begun = time.monotonic()
        answer = self.exchange(data, leave)
        took = time.monotonic() - begun
        with self.lock:
            self.answers[name][answer] += 1
            self.seconds[name].append(took)

    def exchange(self, data, leave):
        with socket.create_connection(self.address, timeout=HANG_SECONDS) as stream:
            try:
                stream.sendall(data)
            except OSError:
                pass  # answered and closed before all was sent: the answer counts
            if leave:
                return "left"
            try:
                first = stream.recv(64 << 10)
            except TimeoutError:
                return "hang"
            except OSError:
                return "close"
            return first.split(b" ", 2)[1].decode() if first.startswith(b"HTTP/") else "close"


def resident(pid):
    return int(Path(f"/proc/{pid}/statm").read_text(encoding="ascii").split()[1]) * 4096


def campaign(cluster, count, threads):
    """Sends `count` hostile conversations to the first node; its memory on the way. A Problem when it does not hold."""
    node = cluster["nodes"][0]
    [pid] = local.processes(node)
    parts = urlsplit(node["api"])
    token = local.login(node["api"], cluster["ca_file"], cluster["admin"]).token
    hostile = Hostile((parts.hostname, parts.port))
    plan = [(name, data, False) for name, data in kinds(token).items()]
    plan += [(name, data, True) for name, data in half(token).items()]
    memory = []
    for sample in range(SAMPLES):
        share = range(sample * count // SAMPLES, (sample + 1) * count // SAMPLES)
        crowd = [
            threading.Thread(target=lambda first=first: [hostile.converse(*plan[n % len(plan)])
                                                        for n in share[first::threads]])
            for first in range(threads)
        ]
        for thread in crowd:
            thread.start()
        for thread in crowd:
            thread.join()
        memory.append(resident(pid))
        print(f"    {share.stop:>7} sent, {memory[-1] >> 20} MB", file=sys.stderr, flush=True)
    report(hostile, memory)
    still(cluster)


def report(hostile, memory):
    print(f"{'kind':<24}{'answers':<36}{'median':>9}{'worst':>9}")
    bad = []
    for name, answers in hostile.answers.items():
        words = ", ".join(f"{answer} {count}" for answer, count in sorted(answers.items()))
        times = hostile.seconds[name]
        print(f"{name:<24}{words:<36}{statistics.median(times) * 1000:>7.1f}ms{max(times) * 1000:>7.0f}ms")
        bad += [f"{name}: {answer}" for answer in answers if answer == "hang" or answer[:1] in "1235"]
    third = len(memory) // 3
    middle, last = max(memory[third : 2 * third]), max(memory[2 * third :])
    print(f"resident memory: {memory[0] >> 20} MB at first, at most {middle >> 20} MB in the middle third, "
          f"{last >> 20} MB in the last")
    if bad:
        raise local.Problem(f"neither a 4xx nor a close: {', '.join(bad)}")
    if last > middle * GROWTH:
        raise local.Problem("the node's memory grew to the end")


def still(cluster):
    """All nodes still serve and agree."""
    local.wait_alike(cluster)
