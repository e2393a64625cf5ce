"""scripts/campaign seats: many logins race for few seats through every node while the leader is killed, again and again.

Exactly as many are granted as there are; each token is good on every node until its session ends and on none afterwards;
those in line are served in order; nothing is lost or granted twice.
"""

import http.client
import itertools
import json
import signal
import sys
import threading
import time

import demo
import local

TYPE = "review"
LINE = 25
RETRY = (0, 429, 503, 504)


class Client:
    """Asks one node after the other until one answers; what it asks under a key is done once."""

    def __init__(self, cluster, token, first):
        self.apis = [local.Api(node["api"], cluster["ca_file"], token, timeout=5.0) for node in cluster["nodes"]]
        self.turn = first

    def ask(self, method, path, body=None, key=None, token=None, seconds=90.0):
        """Status and JSON of the first answer that settles it."""
        headers = {"Content-Type": "application/json"}
        if key:
            headers["Idempotency-Key"] = key
        began = time.monotonic()
        while True:
            api = self.apis[self.turn % len(self.apis)]
            headers["Authorization"] = f"Bearer {token or api.token}"
            try:
                data = None if body is None else json.dumps(body).encode()
                status, _, text = api.raw(method, f"/api/v1/{path}", data, headers)
            except (OSError, http.client.HTTPException):
                status, text = 0, b""
            if status not in RETRY:
                return status, json.loads(text) if text else {}
            if time.monotonic() - began > seconds:
                raise local.Problem(f"{method} {path}: no answer within {seconds} s, last {status}")
            self.turn += 1
            time.sleep(0.02)

    def take(self, key, queue=False):
        body = {"type": TYPE, "token": True, "queue": queue, "client": key}
        return self.ask("POST", "sessions", body, key=key)


def crowd(threads, work):
    """Runs `work(index)` in so many threads; the first problem of any of them is raised."""
    problems = []

    def guarded(index):
        try:
            work(index)
        except Exception as problem:  # whatever it is, the campaign must end with it
            problems.append(problem)

    running = [threading.Thread(target=guarded, args=(index,)) for index in range(threads)]
    for thread in running:
        thread.start()
    return running, problems


def race(cluster, token, logins, threads, number):
    """One race: who got a seat, by id."""
    numbers, granted, refused, answered = itertools.count(), {}, [0], [0]
    lock = threading.Lock()

    def work(index):
        client = Client(cluster, token, index)
        while (login := next(numbers)) < logins:
            key = f"race {number} {login}"
            status, seat = client.take(key)
            with lock:
                answered[0] += 1
                if status == 201:
                    if seat["seat"] in granted:
                        raise local.Problem(f"seat {seat['seat']} was granted twice")
                    granted[seat["seat"]] = (key, seat["token"])
                elif status == 409 and seat["error"]["code"] == "no_seat_left":
                    refused[0] += 1
                else:
                    raise local.Problem(f"a login was answered {status}: {seat}")

    began = time.monotonic()
    running, problems = crowd(threads, work)
    local.wait_for("the race is on", 60.0, lambda: (answered[0] > logins // 20 or problems, f"{answered[0]} answered"))
    leader = demo.leader_of(cluster)
    [pid] = local.processes(leader)
    local.send(pid, signal.SIGKILL)
    for thread in running:
        thread.join()
    if problems:
        raise problems[0]
    seconds = time.monotonic() - began
    local.reap()
    local.start(leader)
    local.wait_ready(leader)
    return granted, refused[0], seconds


def check_race(cluster, token, granted, refused, seats, logins):
    if (len(granted), refused) != (seats, logins - seats):
        raise local.Problem(f"{len(granted)} granted and {refused} refused of {logins} for {seats} seats")
    for node in cluster["nodes"]:
        api = local.Api(node["api"], cluster["ca_file"], token)
        kind = api.get(f"seats/{TYPE}")
        if (kind["used"], kind["free"]) != (seats, 0):
            raise local.Problem(f"{node['name']} says {kind['used']} used and {kind['free']} free")
        held = {seat["seat"] for seat in api.get(f"sessions?type={TYPE}&all=true")["items"]}
        if held != set(granted):
            raise local.Problem(f"{node['name']} holds {len(held)} sessions, others than were granted")
        for _, of_seat in granted.values():
            api.token = of_seat
            api.get("whoami")


def check_journal(cluster, token, seats, after):
    """Walks the journal: most seats held after any record must be `seats`. The last position."""
    api = local.Api(cluster["nodes"][0]["api"], cluster["ca_file"], token)
    held, peak = set(), 0
    while True:
        page = api.get(f"journal?after={after}&limit=10000")
        for record in page["records"]:
            for event in record["events"]:
                if event["event"] == "seat_taken":
                    held.add(event["seat"])
                elif event["event"] == "seats_ended":
                    held.difference_update(event["seats"])
            peak = max(peak, len(held))
        if not page["records"]:
            break
        after = page["next"]
    if peak != seats:
        raise local.Problem(f"{peak} seats were held at once, there are {seats}")
    return after


def give_back(cluster, token, granted):
    """Returns every seat at some node, and sees its token refused at all."""
    client = Client(cluster, token, 0)
    for number, (seat, (_, of_seat)) in enumerate(granted.items()):
        client.turn = number
        status, answer = client.ask("DELETE", f"sessions/{seat}", token=of_seat)
        if status not in (204, 401, 404):
            raise local.Problem(f"returning {seat}: {status}: {answer}")
        for node in range(len(cluster["nodes"])):
            client.turn = node
            if client.ask("GET", "whoami", token=of_seat)[0] != 401:
                raise local.Problem(f"a node still takes the token of {seat}")
        status, _ = client.ask("DELETE", f"sessions/{seat}")
        if status != 404:
            raise local.Problem(f"seat {seat} was given back twice")


def line(cluster, token, seats, count, number):
    """Takes every seat, lets a line form, kills the leader, and sees all of the line served in order."""
    client = Client(cluster, token, 0)
    held = [client.take(f"holder {number} {place}") for place in range(seats)]
    waiting = [client.take(f"line {number} {place}", queue=True) for place in range(count)]
    if any(status != 201 for status, _ in held) or any(status != 202 for status, _ in waiting):
        raise local.Problem(f"a line of {count} was not made: {held[:1]} {waiting[:1]}")
    leader = demo.leader_of(cluster)
    [pid] = local.processes(leader)
    local.send(pid, signal.SIGKILL)
    for place in range(count):
        client.ask("DELETE", f"sessions/{held.pop()[1]['seat']}")
        for later in range(place, count):
            status, turn = client.take(f"line {number} {later}", queue=True)
            if turn["seat"] != waiting[later][1]["seat"] or status != (201 if later == place else 202):
                raise local.Problem(f"place {later} of the line, when it was {place}'s turn: {status} {turn}")
    for _, seat in held + waiting:
        client.ask("DELETE", f"sessions/{seat['seat']}")
    local.reap()
    local.start(leader)
    local.wait_ready(leader)


def prepare(builder, cluster, seats):
    """Installs the seats, with leases that outlast the campaign; the token that asks."""
    builder.seats(TYPE, seats)
    builder.run("seat", "rules", TYPE, "--lease", "10h", "--place", "10h", *builder.client())
    return local.login(cluster["nodes"][0]["api"], cluster["ca_file"], cluster["admin"]).token


def campaign(builder, cluster, rounds, seats, logins, threads):
    """Every round a race and a line; a Problem when anything is lost, doubled or out of order."""
    token, walked = prepare(builder, cluster, seats), 0
    for number in range(rounds):
        granted, refused, seconds = race(cluster, token, logins, threads, number)
        check_race(cluster, token, granted, refused, seats, logins)
        give_back(cluster, token, granted)
        line(cluster, token, seats, min(seats, LINE), number)
        local.wait_alike(cluster)
        walked = check_journal(cluster, token, seats, walked)
        print(f"    {number + 1:>3}: {logins} logins for {seats} seats in {seconds:.1f} s", file=sys.stderr, flush=True)
    print(f"seats: {rounds} leaders killed in races of {logins} logins for {seats} seats, and {rounds} in lines")
    print(f"granted: exactly the seats there were; held at once after any of {walked} records: {seats} at most")
    print("granted twice, lost, out of order, or a token that outlived its session: 0")
