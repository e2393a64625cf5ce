"""scripts/campaign hostile: bad requests of every kind, many thousand; no 5xx, no hang, no growth.

Each kind is sent over a connection of its own, as hostile clients do. What comes back is a 4xx or a close, in time, and
in a dialect's paths a 4xx in that dialect's shape; the node's resident memory must reach a plateau: its last third may not
be above its middle third.
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


# What every error of a dialect has in it.
SHAPES = {
    "splunk": b"<msg type=",
    "splunk json": b'{"messages":[{',
    "elastic": b'{"error":',
    "redis": b'"error_code":',
    "immuta": b'{"statusCode":4',
    "nuix": b'"errorCode":',
}
DOCUMENT = 256 << 10


def bodies():
    """Name to bytes: what none of the dialects can read, whatever it expects."""
    return {
        "nothing": b"",
        "half": b'{"license":{"uid":"',
        "noise": bytes(range(256)) * 100,
        "depth": b'{"license":' + b"[" * 100_000,
        "list": b"[]",
        "text": b'"{\\"licenses\\":[]}"',
        "types": b'{"license":7,"key":{},"username":[],"password":{},"quota":[]}',
        "doubled": b'{"license":"a","license":"b","key":"a","key":"b"}',
        "large": b'{"license":"' + b"A" * (3 << 20) + b'"}',
    }


def licenses():
    """Name to text: license documents that nobody signed, or that are made to cost something."""
    names = "".join(f" a{n}=''" for n in range(20_000))
    spaces = "".join(f" xmlns:a{n}='b'" for n in range(8_000)) + ">" + "<a xmlns:c='d'/>" * 4_000
    return {
        "entities": '<!DOCTYPE l [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;">]><license>&b;</license>',
        "a file": '<!DOCTYPE l [<!ENTITY a SYSTEM "file:///etc/passwd">]><license>&a;</license>',
        "attributes": f"<license{names}/>",
        "namespaces": f"<license{spaces}</license>",
        "elements": "<license>" + "<a/>" * 50_000 + "</license>",
        "depth": "<a>" * 80_000,
        "unsigned": '<license><signature key="k">AA==</signature><payload><quota>1</quota></payload></license>',
        "block": "----- LICENSE START -----\n" + "A" * (DOCUMENT - 100) + "\n----- LICENSE END -----",
        "lines": "-----BEGIN QUARTERMASTER LICENSE-----" + "\n" * 200_000,
        "points": "nuix" + "." * 200_000,
    }


def percent(text):
    return "".join(f"%{byte:02X}" for byte in text.encode())


def dialect_kinds(token):
    """Dialect, name and bytes: what is wrong in a path of that dialect."""
    bearer = f"Authorization: Bearer {token}\r\n"
    json_sent = bearer + "Content-Type: application/json\r\n"
    splunk, elastic, redis = "/services/licenser", "/_license", "/v1/license"
    immuta, nuix = "/admin/license", "/nuix-restful-service/svc"
    pool = f"{splunk}/pools"
    for name, body in bodies().items():
        yield "elastic", name, request("PUT", elastic, json_sent, body)
        yield "redis", name, request("PUT", redis, json_sent, body)
        yield "immuta", name, request("POST", immuta, json_sent, body)
        yield "nuix", name, request("PUT", f"{nuix}/authenticatedUsers/login", json_sent, body)
        yield "nuix", f"function of {name}", request("POST", f"{nuix}/functions", json_sent, body)
        yield "splunk", name, request("POST", pool, bearer, body)
        yield "splunk json", name, request("POST", f"{pool}?output_mode=json", bearer, body)
    for name, text in licenses().items():
        form = f"name=a.lic&payload={percent(text)}".encode()
        yield "splunk", f"license of {name}", request("POST", f"{splunk}/licenses", bearer, form)
        block = json.dumps({"license": text, "key": text}).encode()
        yield "redis", f"license of {name}", request("PUT", redis, json_sent, json.dumps({"license": text}).encode())
        yield "immuta", f"license of {name}", request("POST", immuta, json_sent, json.dumps({"key": text}).encode())
        yield "elastic", f"license of {name}", request("PUT", elastic, json_sent, block)
    wrong = {
        "name": "name=a/b&quota=1MB&stack_id=enterprise", "quota": "name=a&quota=lots&stack_id=enterprise",
        "stack": "name=a&quota=1&stack_id=%00", "twice": "name=a&name=b&quota=1&stack_id=e", "unknown": "colour=red",
        "many": "a=1&" * 50_000, "percent": "name=%ff%fe&quota=1&stack_id=e", "long": "name=" + "x" * 500_000,
    }
    for name, form in wrong.items():
        yield "splunk", f"pool with a wrong {name}", request("POST", pool, bearer, form.encode())
    for query in ["count=x", "offset=-1", "search=%22", "search=OR", "sort_dir=up", "sort_mode=x", "output_mode=csv",
                  "summarize=2", "search=" + "a%20" * 100, "count=1&count=2", "consistency=maybe", "search=%ff"]:
        yield "splunk", f"list with {query[:20]}", request("GET", f"{pool}?{query}", bearer)
    for path in ["/no/such", "/pools/a/b/c", "/pools/%00", "/slaves/" + "x" * 3_000, "/messages/%zz"]:
        yield "splunk", f"path {path[:20]}", request("GET", splunk + path, bearer)
    yield "splunk", "method", request("DELETE", pool, bearer)
    yield "splunk", "multipart", request("POST", pool, bearer + "Content-Type: multipart/form-data\r\n", b"--x")
    yield "splunk", "no credential", request("GET", pool)
    yield "splunk", "cookie of noise", request("GET", pool, "Cookie: splunkd_8089=\x80;;;=\r\n")
    for query in ["acknowledge=maybe", "timeout=7", "timeout=-5s", "master_timeout=1y", "foo=1", "filter_path=" + "a," * 2_000,
                  "format=yaml", "pretty=2", "accept_enterprise=false", "filter_path=%ff"]:
        yield "elastic", f"parameter {query[:20]}", request("GET", f"{elastic}?{query}", bearer)
    yield "elastic", "media type", request("PUT", elastic, bearer + "Content-Type: text/plain\r\n", b"x")
    yield "elastic", "version", request("GET", elastic, bearer + "Accept: application/vnd.elasticsearch+json; compatible-with=7\r\n")
    yield "elastic", "method", request("PATCH", elastic, bearer)
    yield "elastic", "path", request("GET", "/_nothing/" + "x" * 500, bearer)
    yield "elastic", "no credential", request("GET", elastic)
    yield "redis", "method", request("DELETE", redis, bearer)
    yield "redis", "path", request("GET", "/v1/nothing", bearer)
    yield "redis", "dry_run", request("PUT", f"{redis}?dry_run=maybe", json_sent, b"{}")
    yield "redis", "no credential", request("GET", redis)
    yield "immuta", "id", request("GET", f"{immuta}/{'x' * 3_000}", bearer)
    yield "immuta", "method", request("PATCH", immuta, bearer)
    yield "immuta", "login", request("POST", "/bim/apikey/authenticate", "", b'{"apikey":{}}')
    yield "immuta", "no credential", request("GET", immuta)
    yield "nuix", "key", request("GET", f"{nuix}/asyncFunctions/{'x' * 3_000}", bearer)
    yield "nuix", "method", request("PATCH", f"{nuix}/licenses", bearer)
    yield "nuix", "workers", request("PUT", f"{nuix}/authenticatedUsers/login", json_sent,
                                     b'{"username":"a","password":"b","workers":-1}')
    yield "nuix", "no credential", request("GET", f"{nuix}/asyncFunctions")


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

    def converse(self, name, data, leave, shape):
        begun = time.monotonic()
        answer = self.exchange(data, leave, shape)
        took = time.monotonic() - begun
        with self.lock:
            self.answers[name][answer] += 1
            self.seconds[name].append(took)

    def exchange(self, data, leave, shape):
        with socket.create_connection(self.address, timeout=HANG_SECONDS) as stream:
            try:
                stream.sendall(data)
            except OSError:
                pass  # answered and closed before all was sent: the answer counts
            if leave:
                return "left"
            try:
                first = stream.recv(64 << 10)
                # a head and its body may come apart
                if shape and first.startswith(b"HTTP/") and shape not in first:
                    first += stream.recv(64 << 10)
            except TimeoutError:
                return "hang"
            except OSError:
                return "close"
            if not first.startswith(b"HTTP/"):
                return "close"
            status = first.split(b" ", 2)[1].decode()
            return status if shape in first else f"{status} in a foreign shape"


def resident(pid):
    return int(Path(f"/proc/{pid}/statm").read_text(encoding="ascii").split()[1]) * 4096


def campaign(cluster, count, threads):
    """Sends `count` hostile conversations to the first node; its memory on the way. A Problem when it does not hold."""
    node = cluster["nodes"][0]
    [pid] = local.processes(node)
    parts = urlsplit(node["api"])
    token = local.login(node["api"], cluster["ca_file"], cluster["admin"]).token
    hostile = Hostile((parts.hostname, parts.port))
    plan = [(name, data, False, b"") for name, data in kinds(token).items()]
    plan += [(name, data, True, b"") for name, data in half(token).items()]
    plan += [(f"{dialect}: {name}", data, False, SHAPES[dialect]) for dialect, name, data in dialect_kinds(token)]
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
    print(f"{'kind':<40}{'answers':<36}{'median':>9}{'worst':>9}")
    bad = []
    for name, answers in hostile.answers.items():
        words = ", ".join(f"{answer} {count}" for answer, count in sorted(answers.items()))
        times = hostile.seconds[name]
        print(f"{name:<40}{words:<36}{statistics.median(times) * 1000:>7.1f}ms{max(times) * 1000:>7.0f}ms")
        bad += [f"{name}: {answer}" for answer in answers if answer == "hang" or answer[:1] in "1235" or " " in answer]
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
