//! The spool against crashes, damage and strangers.

use std::fs;

use super::rig_test::{Rig, bytes};
use super::spool::peek;
use super::status;

fn filled() -> Rig {
    let mut rig = Rig::new();
    for round in 0..5 {
        rig.append("a", &bytes(10 + round));
        rig.measure();
    }
    rig
}

#[test]
fn a_last_step_that_is_not_whole_never_happened() {
    let mut rig = filled();
    let path = rig.state().join("spool");
    let good = fs::read(&path).expect("read");
    rig.append("a", &bytes(1_000));
    rig.measure();
    rig.kill();
    let longer = fs::read(&path).expect("read");
    for cut in good.len()..longer.len() {
        let mut torn = longer[..cut].to_vec();
        // sectors that were never written
        torn.resize(longer.len(), 0);
        for bytes in [&longer[..cut], &torn[..]] {
            fs::write(&path, bytes).expect("written");
            rig.restart();
            assert_eq!(rig.book().pending_bytes(), 60, "cut at {cut}");
            rig.kill();
        }
    }
    rig.restart();
    assert_eq!(rig.finish(), 1_060);
}

#[test]
fn damage_anywhere_else_begins_a_new_epoch_and_counts_nothing_twice() {
    let mut rig = filled();
    let epoch = rig.book().epoch.clone();
    rig.send_all();
    rig.append("a", &bytes(10));
    rig.measure();
    rig.kill();
    let path = rig.state().join("spool");
    let mut damaged = fs::read(&path).expect("read");
    let middle = damaged.len() / 2;
    damaged[middle] ^= 1;
    fs::write(&path, damaged).expect("written");
    rig.restart();
    assert_ne!(rig.book().epoch, epoch);
    assert_eq!(rig.finish(), 60);
    rig.append("a", &bytes(7));
    assert_eq!(rig.finish(), 67);
    assert!(rig.state().join("spool.damaged").exists());
}

#[test]
fn a_spool_of_another_slave_or_another_version_is_left_alone() {
    let mut rig = filled();
    rig.kill();
    let disk = super::disk::Disk::new(&rig.state());
    let other = super::spool::Spool::open(disk.clone(), Some("somebody else"), || "x".to_owned());
    assert!(other.expect_err("another slave").to_string().contains("a state directory of its own"));
    let before = peek(&disk).expect("readable");
    assert_eq!(status(&rig.state()).expect("a status").pending_bytes, 60);

    rig.restart();
    let second = super::spool::Spool::open(disk.clone(), None, || "x".to_owned());
    assert!(second.expect_err("it is in use").to_string().contains("another agent"));
    assert_eq!(peek(&disk).expect("readable"), before);
}

#[test]
fn the_file_does_not_grow_for_ever() {
    let mut rig = Rig::new();
    for file in 0..300 {
        rig.append(&format!("{file:03}.log"), &bytes(40));
    }
    rig.measure();
    for _ in 0..60 {
        for file in 0..300 {
            rig.append(&format!("{file:03}.log"), b"x");
        }
        rig.measure();
        rig.send_all();
    }
    let size = fs::metadata(rig.state().join("spool")).expect("there").len();
    assert!(size < 2 << 20, "{size}");
    rig.restart();
    assert_eq!(rig.finish(), 300 * 100);
}
