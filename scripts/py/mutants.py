"""scripts/campaign mutants: puts known bugs back, one at a time, and sees the tests find each of them.

Every bug is one that lost data, doubled it or let somebody in elsewhere. It is put into a copy of the committed tree; the
tests named beside it must fail. A bug that nobody finds, or whose place is gone, fails the campaign.
"""

import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import NamedTuple

PROJECT = Path(__file__).resolve().parents[2]
TEST_SECONDS = 1500


class Mutant(NamedTuple):
    """A bug: in `file`, `right` becomes `wrong`; `tests` are cargo test's arguments, each list a run of its own."""

    name: str
    file: str
    right: str
    wrong: str
    tests: list


PURE = ["--test", "pure"]
LOG = ["--lib", "replica::log"]

MUTANTS = [
    Mutant(
        "a report that is sent again counts twice",
        "src/domain/sequence.rs",
        "    } else {\n        Verdict::Counted\n    }",
        "    } else {\n        Verdict::New\n    }",
        [PURE],
    ),
    Mutant(
        "the memory of report ids is not in the checkpoint",
        "src/domain/checkpoint.rs",
        "pieces(state.report_ids_by_time.iter(),",
        "pieces(state.report_ids_by_time.iter().take(0),",
        [PURE],
    ),
    Mutant(
        "a checkpoint counts before the rows up to it are on disk",
        "src/store/checkpoint.rs",
        "        self.db.flush()?;\n        let _no_snapshot",
        "        let _no_snapshot",
        [["--lib", "store::"]],
    ),
    Mutant(
        "the question to the peers holds a state from one second to the next",
        "src/replica/upkeep.rs",
        "        shared.roster.keep(|node| nodes.contains(&node));\n",
        "        let _held = shared.window.newest();\n        shared.roster.keep(|node| nodes.contains(&node));\n",
        [["--lib", "replica::cluster_test"]],
    ),
    Mutant(
        "a write holds the view that let it in",
        "src/dialect/mod.rs",
        "        self.view = None;\n",
        "",
        [PURE],
    ),
    Mutant(
        "the window holds the state that changes",
        "src/replica/published.rs",
        "                *held = Arc::default();\n",
        "",
        [["--lib", "replica::published"]],
    ),
    Mutant(
        "the promise drops what the log has not synced",
        "src/replica/log/sync.rs",
        "let write = if self.settled {",
        "let write = if true {",
        [LOG],
    ),
    Mutant(
        "what was promised before the last promise is forgotten",
        "src/replica/log/check.rs",
        "all.carried.extend(next.carried);",
        "all.carried = next.carried;",
        [LOG],
    ),
    Mutant(
        "a promise that was lost among others is not missed",
        "src/store/promise.rs",
        "is_some_and(|(later, _)| later > turn)",
        "is_some_and(|(later, _)| later > turn + 9)",
        [["--lib", "store::"]],
    ),
    Mutant(
        "promises of the half's earlier turns count",
        "src/store/promise.rs",
        ".filter(|(turn, _)| *turn == whole.turn + 1)",
        ".filter(|(turn, _)| *turn != whole.turn)",
        [["--lib", "store::"]],
    ),
    Mutant(
        "a file goes that holds an entry that counts",
        "src/store/log_db.rs",
        "let Some(last) = first.checked_sub(1) else",
        "let Some(last) = Some(first) else",
        [["--lib", "store::"]],
    ),
    Mutant(
        "purged entries go before the purge is durable",
        "src/replica/log/sync.rs",
        "if self.shared.refuse_after_failure().is_err() || self.sync_log().is_err() {",
        "if self.shared.refuse_after_failure().is_err() {",
        [LOG],
    ),
    Mutant(
        "purged entries stay for ever",
        "src/replica/log.rs",
        "        self.syncer.send(Job::Drop { before: end });\n",
        "",
        [LOG],
    ),
    Mutant(
        "a log counts as synced without what only the promise holds",
        "src/replica/log/sync.rs",
        "        self.write()?;\n        self.shared.db.sync()",
        "        self.shared.db.sync()",
        [LOG],
    ),
    Mutant(
        "an entry leaves memory before the database holds it",
        "src/replica/log/cache.rs",
        "self.first().is_some_and(|first| first < self.unwritten)",
        "self.first().is_some()",
        [LOG],
    ),
    Mutant(
        "what follows a truncation leaves memory before the database holds it",
        "src/replica/log/cache.rs",
        "        self.unwritten = self.unwritten.min(index.map_or(0, |index| index + 1));\n",
        "",
        [LOG],
    ),
    Mutant(
        "a log that was not synced counts as synced",
        "src/replica/log/sync.rs",
        "Ok(()) if full => self.sync_log(),",
        "Ok(()) if full => Ok(self.settled = true),",
        [LOG],
    ),
    Mutant(
        "a checkpoint that was cut off is a shorter one",
        "src/store/checkpoint.rs",
        "if self.number()? == self.read { Ok(None) }",
        "if self.number()? >= self.read { Ok(None) }",
        [["--lib", "store::"]],
    ),
    Mutant(
        "a snapshot leaves the checkpoints behind",
        "src/store/state_db.rs",
        "        Checkpoint::link_all(&self.dir, dir)\n",
        "        Ok(())\n",
        [["--lib", "store::"]],
    ),
    Mutant(
        "a hint of where a slave was is taken at its word",
        "src/domain/slaves.rs",
        "find(|place| self.is_at(*place, id));",
        "next();",
        [["--lib", "domain::slaves"]],
    ),
    Mutant(
        "the memory of idempotency keys is not in the checkpoint",
        "src/domain/checkpoint.rs",
        "pieces(state.keys_used.iter(),",
        "pieces(state.keys_used.iter().take(0),",
        [PURE],
    ),
    Mutant(
        "tokens are not in the checkpoint",
        "src/domain/checkpoint.rs",
        "pieces(state.tokens.values(),",
        "pieces(state.tokens.values().take(0),",
        [PURE],
    ),
    Mutant(
        "an intent that is proposed again is done again",
        "src/domain/memory.rs",
        "    let seq = *state.intents.get(&id)?;",
        "    let seq = *state.intents.get(&id).filter(|_| false)?;",
        [PURE],
    ),
    Mutant(
        "the credential is not checked again when the command is applied",
        "src/domain/right.rs",
        "if good { Ok(()) } else { Err(Refusal::CredentialStale) }",
        "if good || !good { Ok(()) } else { Err(Refusal::CredentialStale) }",
        [PURE],
    ),
    Mutant(
        "a rule reads the clock",
        "src/domain/apply.rs",
        "        for intent in intents {\n            self.state.now = stamp.at;",
        "        for intent in intents {\n"
        "            let wall = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);\n"
        "            self.state.now = Moment(wall.map_or(0, |since| since.as_millis() as u64));",
        [PURE],
    ),
    Mutant(
        "one seat that is held counts as free",
        "src/projection/seats.rs",
        "free: kind.count.saturating_sub(tally.held),",
        "free: kind.count.saturating_sub(tally.held.saturating_sub(1)),",
        [[*PURE, "seat_properties"]],
    ),
    Mutant(
        "a borrowed seat is taken away from whoever works offline",
        "src/domain/seat/lease.rs",
        "if session.borrowed && !even_borrowed =>",
        "if session.borrowed && !even_borrowed && id == 0 =>",
        [[*PURE, "seat_properties"]],
    ),
    Mutant(
        "a token outlives its seat",
        "src/domain/seat/fold.rs",
        "            account::tokens_ended(state, &tokens);",
        "            account::tokens_ended(state, &tokens[..tokens.len().min(0)]);",
        [[*PURE, "seat_properties"]],
    ),
    Mutant(
        "who leaves a group that ran the cluster is not counted among the accounts",
        "src/domain/user_group.rs",
        "&[joined, left].concat()",
        "joined",
        [[*PURE, "accounts"]],
    ),
    Mutant(
        "taking a right from a role asks for no account seat",
        "src/domain/account.rs",
        "=> state.rules >= cluster::ROLES_KEPT_UP,",
        "=> state.rules > cluster::ROLES_KEPT_UP,",
        [[*PURE, "accounts"]],
    ),
    Mutant(
        "an entry is acknowledged without a sync",
        "src/replica/log/sync.rs",
        "let result = self.make_durable(group.what);",
        "let result = if group.what.is_empty() { self.make_durable(group.what) } else { Ok(()) };",
        [LOG],
    ),
    Mutant(
        "a vote is not synced",
        "src/replica/log.rs",
        "self.syncer.wait(|done| Job::Commit { what: What::Vote(*vote), done }).await",
        "Ok(())",
        [LOG],
    ),
    Mutant(
        "the promise is not lowered before a truncation",
        "src/replica/log.rs",
        "self.syncer.wait(|done| Job::Lower { to, done }).await?;",
        "let _ = to;",
        [LOG],
    ),
    Mutant(
        "the log is not compared with the promise",
        "src/replica/log/check.rs",
        "    let Some(promised) = pledge.last else { return Ok(()) };",
        "    let Some(promised) = pledge.last.filter(|_| false) else { return Ok(()) };",
        [LOG],
    ),
    Mutant(
        "the leader takes a follower that lost what it had acknowledged",
        "src/replica/peers/guard.rs",
        "        let went_back = known.is_some_and(|known| missing <= known);",
        "        let went_back = known.is_some_and(|known| missing <= known) && false;",
        [["--lib", "replica::peers"]],
    ),
    Mutant(
        "a read does not wait for its barrier",
        "src/replica/reads.rs",
        "        let (ready, wait) = oneshot::channel();",
        "        if deadline > tokio::time::Instant::now() {\n            return Ok(shared.window.newest());\n        }\n"
        "        let (ready, wait) = oneshot::channel();",
        [["--lib", "replica::"]],
    ),
    Mutant(
        "the log is purged beyond what is flushed",
        "src/replica/upkeep.rs",
        "purge_log(upto.min(flushed))",
        "purge_log(upto.max(flushed))",
        [["--lib", "replica::"]],
    ),
]


def outcome(mutant, tree, target):
    """`found`, or why it was not."""
    path = tree / mutant.file
    text = path.read_text(encoding="utf-8")
    if text.count(mutant.right) != 1:
        return f"its place in {mutant.file} is there {text.count(mutant.right)} times"
    path.write_text(text.replace(mutant.right, mutant.wrong), encoding="utf-8")
    try:
        for arguments in mutant.tests:
            done = subprocess.run(
                ["cargo", "test", "--locked", "--no-fail-fast", *arguments],
                cwd=tree, env={**os.environ, "CARGO_TARGET_DIR": str(target)},
                capture_output=True, text=True, check=False, timeout=TEST_SECONDS,
            )
            if "test result: FAILED" in done.stdout:
                failed = [line[5:-11] for line in done.stdout.splitlines() if line.endswith("... FAILED")]
                return f"found by {', '.join(sorted(failed)[:3])}{' and more' if len(failed) > 3 else ''}"
            if done.returncode != 0:
                return f"it does not build: {done.stderr.strip().splitlines()[-1]}"
        return "NOT FOUND"
    except subprocess.TimeoutExpired:
        return f"its tests did not end within {TEST_SECONDS} s"
    finally:
        path.write_text(text, encoding="utf-8")


def main():
    wanted = sys.argv[1:]
    target = PROJECT / "target" / "mutants"
    missed = 0
    with tempfile.TemporaryDirectory(prefix="quartermaster-mutants-") as folder:
        tree = Path(folder) / "tree"
        subprocess.run(["git", "clone", "--quiet", "--shared", str(PROJECT), str(tree)], check=True)
        for mutant in MUTANTS:
            if wanted and not any(word in mutant.name for word in wanted):
                continue
            said = outcome(mutant, tree, target)
            missed += not said.startswith("found")
            print(f"{mutant.name}: {said}", flush=True)
    print(f"{missed} not found")
    raise SystemExit(1 if missed else 0)


if __name__ == "__main__":
    main()
