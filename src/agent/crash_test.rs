//! Any history of files, with the agent ended between any two things that it does to the disk, and with every doubt that
//! a network can leave: in the end each byte is counted exactly once.

use std::collections::BTreeMap;
use std::fs::{self, OpenOptions};

use proptest::prelude::*;
use proptest::sample::Index;

use super::meter::Measured;
use super::rig_test::{Rig, bytes};

/// Generations that rotation keeps.
const GENERATIONS: usize = 3;

#[derive(Debug, Clone)]
enum Act {
    Append {
        log: usize,
        length: usize,
    },
    Rename {
        log: usize,
    },
    CopyAndCut {
        log: usize,
        seen_between: bool,
    },
    Cut {
        log: usize,
    },
    /// A copy is made beside it, and it goes on.
    Copy {
        log: usize,
        seen_between: bool,
    },
    /// A longer copy of it takes its place.
    Replace {
        log: usize,
        length: usize,
    },
    /// It is deleted, and the next line begins it anew: often in the same inode.
    Delete {
        log: usize,
    },
    Measure,
    Later {
        ms: u64,
    },
    Send {
        answer_lost: bool,
        too_old: bool,
    },
    Kill,
    /// Ends the agent at some step of the next thing that it does.
    Fuse {
        steps: i64,
    },
}

fn act() -> impl Strategy<Value = Act> {
    let log = 0..3_usize;
    prop_oneof![
        6 => (log.clone(), 40..3_000_usize).prop_map(|(log, length)| Act::Append { log, length }),
        2 => log.clone().prop_map(|log| Act::Rename { log }),
        2 => (log.clone(), any::<bool>()).prop_map(|(log, seen_between)| Act::CopyAndCut { log, seen_between }),
        1 => log.clone().prop_map(|log| Act::Cut { log }),
        1 => (log.clone(), any::<bool>()).prop_map(|(log, seen_between)| Act::Copy { log, seen_between }),
        1 => (log.clone(), 40..3_000_usize).prop_map(|(log, length)| Act::Replace { log, length }),
        1 => log.prop_map(|log| Act::Delete { log }),
        5 => Just(Act::Measure),
        1 => (1..2_000_000_u64).prop_map(|ms| Act::Later { ms }),
        4 => (any::<bool>(), any::<bool>()).prop_map(|(answer_lost, too_old)| Act::Send { answer_lost, too_old }),
        1 => Just(Act::Kill),
        3 => (1..6_i64).prop_map(|steps| Act::Fuse { steps }),
    ]
}

/// A rig, and what was ever written.
struct World {
    rig: Rig,
    written: u64,
    torn: Vec<Index>,
    sizes: BTreeMap<String, u64>,
}

impl World {
    /// Each log is named after the shorter ones, as if it were a copy of theirs.
    fn log(log: usize) -> String {
        format!("app{}", "0".repeat(log))
    }

    fn name(log: usize, generation: usize) -> String {
        let log = World::log(log);
        if generation == 0 { format!("{log}.log") } else { format!("{log}.log.{generation}") }
    }

    fn act(&mut self, act: &Act) {
        match *act {
            Act::Append { log, length } => {
                self.rig.append(&World::name(log, 0), &bytes(length));
                self.wrote(log, length);
            }
            Act::Rename { log } => {
                self.make_room(log);
                self.moved(log, 0);
            }
            Act::CopyAndCut { log, seen_between } => self.copy_and_cut(log, seen_between),
            Act::Cut { log } => {
                // what nobody has seen yet would be lost with it
                self.measure_for_sure();
                if self.rig.log(&World::name(log, 0)).exists() {
                    self.rig.cut(&World::name(log, 0));
                }
            }
            Act::Copy { log, seen_between } => self.copy(log, seen_between),
            Act::Replace { log, length } => {
                let live = World::name(log, 0);
                if let Ok(mut longer) = fs::read(self.rig.log(&live)) {
                    longer.extend(bytes(length));
                    self.rig.replace(&live, &longer);
                    self.wrote(log, length);
                }
            }
            Act::Delete { log } => {
                // what nobody has seen yet would be lost with it
                self.measure_for_sure();
                let live = World::name(log, 0);
                if self.rig.log(&live).exists() {
                    self.rig.delete(&live);
                }
            }
            Act::Measure => self.look(),
            Act::Later { ms } => self.rig.now_ms += ms,
            Act::Send { answer_lost, too_old } => self.send(answer_lost, too_old),
            Act::Kill => self.revive(),
            Act::Fuse { steps } => self.rig.fuse.set(steps),
        }
        if self.rig.fuse.is_blown() {
            self.revive();
        }
    }

    fn wrote(&mut self, log: usize, length: usize) {
        self.written += length as u64;
        *self.sizes.entry(World::log(log)).or_default() += length as u64;
    }

    fn send(&mut self, answer_lost: bool, too_old: bool) {
        self.rig.cluster.too_old = too_old;
        let now = self.rig.now_ms;
        if self.rig.meter().seal(now, false).is_err() || self.rig.fuse.is_blown() {
            return;
        }
        let reports = self.rig.meter().batch();
        let answer = self.rig.cluster.take(&reports);
        if !answer_lost {
            drop(self.rig.meter().settle(&reports, &answer));
        }
    }

    /// Copies a log beside itself; the agent may look at any part of the copy.
    fn copy(&mut self, log: usize, seen_between: bool) {
        let (live, copy) = (World::name(log, 0), World::name(log, 1));
        if !self.rig.log(&live).exists() {
            return;
        }
        if self.rig.book().begun.is_empty() {
            // an agent that meets both in its very first round counts both
            self.measure_for_sure();
        }
        self.make_room(log);
        let whole = fs::read(self.rig.log(&live)).expect("read");
        let half = whole.len() / 2;
        for piece in [&[][..], &whole[..half], &whole[half..]] {
            self.rig.append(&copy, piece);
            if seen_between {
                self.look();
                if self.rig.fuse.is_blown() {
                    self.revive();
                }
            }
        }
    }

    fn copy_and_cut(&mut self, log: usize, seen_between: bool) {
        self.copy(log, seen_between);
        let live = World::name(log, 0);
        if self.rig.log(&live).exists() {
            self.rig.cut(&live);
        }
    }

    /// A round, which may not get to the disk.
    fn look(&mut self) {
        let now = self.rig.now_ms;
        drop(self.rig.meter().measure(now));
    }

    /// Shifts the older generations; what the oldest holds was seen before it is deleted.
    fn make_room(&mut self, log: usize) {
        if self.rig.log(&World::name(log, GENERATIONS)).exists() {
            self.measure_for_sure();
            self.rig.delete(&World::name(log, GENERATIONS));
        }
        for generation in (1..GENERATIONS).rev() {
            self.moved(log, generation);
        }
    }

    fn moved(&mut self, log: usize, generation: usize) {
        let (from, to) = (World::name(log, generation), World::name(log, generation + 1));
        if self.rig.log(&from).exists() {
            self.rig.rename(&from, &to);
        }
    }

    fn measure_for_sure(&mut self) {
        self.rig.fuse.set(0);
        while self.rig.measure() != Measured::All {}
    }

    /// kill -9, a power cut at worst: what was not synced is there in part, or not at all, or as zeros.
    fn revive(&mut self) {
        let path = self.rig.state().join("spool");
        let synced = self.rig.meter().synced();
        self.rig.kill();
        let size = fs::metadata(&path).expect("a spool").len();
        if let Some(torn) = self.torn.pop().filter(|_| size > synced) {
            let kept = synced + torn.index(usize::try_from(size - synced).expect("small")) as u64;
            let file = OpenOptions::new().write(true).open(&path).expect("writable");
            file.set_len(kept).expect("cut");
            if kept.is_multiple_of(2) {
                file.set_len(size).expect("zeros");
            }
        }
        self.rig.restart();
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_byte_counts_exactly_once(
        acts in prop::collection::vec(act(), 1..120),
        torn in prop::collection::vec(any::<Index>(), 60),
    ) {
        let mut world = World { rig: Rig::new(), written: 0, torn, sizes: BTreeMap::new() };
        for act in &acts {
            world.act(act);
        }
        world.rig.restart();
        world.rig.cluster.too_old = false;
        prop_assert_eq!(world.rig.finish(), world.written);
        prop_assert_eq!(world.rig.book().set_aside_bytes, 0);
        // and for the log that they were written to, whatever became of its files
        prop_assert_eq!(world.rig.cluster.by_log(), world.sizes);
    }
}

#[test]
fn a_start_that_is_interrupted_anywhere_begins_one_agent_once() {
    for steps in 1..12 {
        let mut rig = Rig::new();
        rig.kill();
        for name in ["spool", "slave"] {
            fs::remove_file(rig.state().join(name)).expect("deleted");
        }
        rig.append("a", &bytes(100));
        rig.fuse.set(steps);
        drop(rig.open());
        rig.restart();
        assert_eq!(rig.finish(), 100, "ended at step {steps}");
        assert!(!rig.book().after_loss);
    }
}
