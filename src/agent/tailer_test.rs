//! What happens to files: each byte that was appended counts once, whatever became of the file.

use std::fs::{self, File, OpenOptions};
use std::io::Write as _;
use std::os::unix::fs::symlink;

use rustix::fs::{CWD, Mode, mkfifoat};

use super::config::{Existing, WatchSettings};
use super::meter::Measured;
use super::rig_test::{Rig, bytes, text};

fn only_app_log() -> Rig {
    Rig::watching(|logs| vec![WatchSettings { path: text(&logs.join("app.log")), ..WatchSettings::default() }])
}

#[test]
fn what_is_appended_counts_under_its_file() {
    let mut rig = Rig::new();
    rig.append("a.log", &bytes(100));
    rig.append("b.log", &bytes(50));
    rig.measure();
    rig.append("a.log", &bytes(7));
    assert_eq!(rig.finish(), 157);
    let sums: Vec<_> = rig.cluster.by_source().into_iter().collect();
    assert_eq!(sums, [("a.log".to_owned(), 107), ("b.log".to_owned(), 50)]);
    assert_eq!(rig.finish(), 157, "nothing new");
}

#[test]
fn a_renamed_file_is_followed_within_the_watch_and_out_of_it() {
    for mut rig in [Rig::new(), only_app_log()] {
        rig.append("app.log", &bytes(100));
        rig.measure();
        rig.append("app.log", &bytes(20));
        rig.rename("app.log", "app.log.1");
        // the program goes on writing to it for a while
        rig.append("app.log.1", &bytes(3));
        rig.append("app.log", &bytes(40));
        rig.measure();
        rig.append("app.log.1", &bytes(5));
        rig.kill();
        rig.rename("app.log.1", "app.log.2");
        rig.rename("app.log", "app.log.1");
        rig.append("app.log.2", &bytes(1));
        rig.append("app.log", &bytes(60));
        rig.restart();
        assert_eq!(rig.finish(), 229);
        assert_eq!(rig.cluster.by_source().into_iter().collect::<Vec<_>>(), [("app.log".to_owned(), 229)]);
    }
}

#[test]
fn a_copy_that_rotation_made_adds_only_what_the_original_had_beyond() {
    for mut rig in [Rig::new(), only_app_log()] {
        rig.append("app.log", &bytes(100));
        rig.measure();
        rig.append("app.log", &bytes(30));
        fs::copy(rig.log("app.log"), rig.log("app.log.1")).expect("copied");
        rig.cut("app.log");
        rig.append("app.log", &bytes(400));
        assert_eq!(rig.finish(), 530);
    }
}

#[test]
fn a_copy_that_is_seen_before_its_original_is_cut_off_does_not_count_twice() {
    let mut rig = Rig::new();
    rig.append("app.log", &bytes(100));
    rig.measure();
    rig.append("app.log", &bytes(30));
    let whole = fs::read(rig.log("app.log")).expect("read");
    rig.append("app.log.1", &[]);
    rig.measure();
    rig.append("app.log.1", &whole[..90]);
    rig.measure();
    rig.append("app.log.1", &whole[90..]);
    rig.measure();
    rig.restart();
    rig.append("app.log", &bytes(11));
    rig.measure();
    rig.cut("app.log");
    rig.append("app.log", &bytes(5));
    assert_eq!(rig.finish(), 146);
}

#[test]
fn a_file_that_is_cut_off_and_copied_between_two_looks_is_the_original_of_its_copy() {
    let mut rig = Rig::new();
    rig.append("app.log", &bytes(100));
    rig.measure();
    rig.cut("app.log");
    rig.append("app.log", &bytes(150));
    fs::copy(rig.log("app.log"), rig.log("app.log.1")).expect("copied");
    assert_eq!(rig.finish(), 250);
}

#[test]
fn an_empty_file_is_no_copy_and_may_become_one() {
    // the live file is empty after a cut, beside what rotation left
    let mut rig = Rig::new();
    rig.append("app.log.1", &bytes(40));
    rig.measure();
    rig.append("app.log", &[]);
    rig.measure();
    assert!(rig.book().files.values().all(|tracked| tracked.copy_of.is_none()));
    rig.append("app.log", &bytes(50));
    assert_eq!(rig.finish(), 90);

    // a copy that was seen before its first byte was there
    let mut rig = Rig::new();
    rig.append("app.log", &bytes(100));
    rig.measure();
    rig.append("app-1.log", &[]);
    rig.measure();
    rig.append("app.log", &bytes(30));
    fs::copy(rig.log("app.log"), rig.log("app-1.log")).expect("copied");
    rig.cut("app.log");
    rig.append("app.log", &bytes(5));
    assert_eq!(rig.finish(), 135);

    // the first bytes wait until there is room for their row
    let mut rig = Rig::new();
    let names = ["a", "b", "c"];
    names.iter().for_each(|name| rig.append(name, &[]));
    rig.measure();
    rig.limit_spool(1);
    names.iter().for_each(|name| rig.append(name, &bytes(10)));
    assert_eq!((rig.measure(), rig.measure(), rig.book().pending_bytes()), (Measured::More, Measured::Full, 10));
    assert_eq!(rig.finish(), 30);
}

#[test]
fn a_copy_of_a_copy_is_a_copy_of_the_original() {
    let mut rig = Rig::new();
    rig.append("app.log", &bytes(100));
    rig.measure();
    for copy in ["app.log.2", "app.log.1"] {
        fs::copy(rig.log("app.log"), rig.log(copy)).expect("copied");
        rig.measure();
    }
    let originals: Vec<_> = rig.book().files.values().filter_map(|tracked| tracked.copy_of).collect();
    assert!(originals.len() == 2 && originals[0] == originals[1]);
    assert!(rig.book().files[&originals[0]].copy_of.is_none());
    fs::remove_file(rig.log("app.log")).expect("deleted");
    assert_eq!(rig.finish(), 100);
}

#[test]
fn a_copy_in_the_inode_of_an_older_copy_is_looked_at_after_its_original() {
    let mut rig = Rig::new();
    rig.append("app.log", &bytes(100));
    rig.measure();
    fs::copy(rig.log("app.log"), rig.log("app.log.1")).expect("copied");
    rig.measure();
    rig.kill();
    rig.rename("app.log", "app.log.2");
    rig.append("app.log", &bytes(50));
    rig.delete("app.log.1");
    fs::copy(rig.log("app.log"), rig.log("app.log.1")).expect("copied");
    rig.append("app.log", &bytes(7));
    rig.restart();
    assert_eq!(rig.finish(), 157);
}

#[test]
fn a_file_replaced_by_a_longer_copy_is_remembered_when_another_one_gets_its_inode() {
    let mut rig = Rig::new();
    rig.append("app.log", &bytes(100));
    rig.measure();
    rig.kill();
    let mut longer = fs::read(rig.log("app.log")).expect("read");
    longer.extend(bytes(40));
    rig.replace("app.log", &longer);
    rig.append("other", &bytes(300));
    rig.restart();
    assert_eq!(rig.finish(), 440);
}

#[test]
fn a_copy_whose_original_is_replaced_is_a_copy_of_what_took_its_place() {
    let mut rig = Rig::new();
    rig.append("app.log", &bytes(100));
    rig.measure();
    let mut whole = fs::read(rig.log("app.log")).expect("read");
    rig.append("app.log.1", &whole);
    rig.measure();
    // the copy goes on with what nobody has seen in the original
    let more = bytes(30);
    whole.extend(&more);
    rig.kill();
    rig.append("app.log.1", &more);
    whole.extend(bytes(20));
    rig.replace("app.log", &whole);
    rig.restart();
    assert_eq!(rig.finish(), 150);
}

#[test]
fn what_two_copies_have_beyond_their_original_counts_once() {
    for cut in [true, false] {
        let mut rig = Rig::new();
        rig.append("app.log", &bytes(100));
        rig.measure();
        rig.kill();
        for copy in ["app.log.1", "app.log.2", "app.log.3"] {
            rig.append("app.log", &bytes(10));
            fs::copy(rig.log("app.log"), rig.log(copy)).expect("copied");
        }
        if cut {
            rig.cut("app.log");
        } else {
            fs::remove_file(rig.log("app.log")).expect("deleted");
        }
        rig.restart();
        assert_eq!(rig.finish(), 130, "cut: {cut}");
    }
}

#[test]
fn a_file_that_only_begins_like_another_one_counts_whole() {
    let header = bytes(64);
    let mut rig = Rig::new();
    rig.append("app.log", &header);
    rig.append("app.log", &bytes(500));
    rig.measure();
    // looks like a copy so far
    rig.append("app-2.log", &header);
    rig.measure();
    rig.measure();
    rig.append("app-2.log", &bytes(70));
    assert_eq!(rig.finish(), 64 + 500 + 64 + 70);
}

#[test]
fn a_file_that_is_cut_off_or_written_anew_counts_again_from_its_beginning() {
    let mut rig = Rig::new();
    rig.append("a", &bytes(100));
    rig.measure();
    rig.cut("a");
    rig.append("a", &bytes(30));
    rig.measure();
    fs::write(rig.log("a"), bytes(200)).expect("written");
    rig.measure();
    // as long as before: only its bytes and times tell
    fs::write(rig.log("a"), bytes(200)).expect("written");
    assert_eq!(rig.finish(), 530);
}

#[test]
fn a_deleted_file_is_measured_to_its_end_and_its_inode_may_be_another_file() {
    let mut rig = Rig::new();
    rig.append("a", &bytes(100));
    rig.measure();
    let mut writer = OpenOptions::new().append(true).open(rig.log("a")).expect("open");
    writer.write_all(&bytes(20)).expect("written");
    fs::remove_file(rig.log("a")).expect("deleted");
    rig.measure();
    writer.write_all(&bytes(3)).expect("written");
    drop(writer);
    rig.measure();
    rig.restart();
    // the file system gives the inode to the next file
    for name in ["b", "c", "d"] {
        rig.append(name, &bytes(150));
    }
    assert_eq!(rig.finish(), 123 + 450);
    assert!((0..100).all(|_| rig.measure() == Measured::All));
    rig.now_ms += 30 * 3_600_000;
    rig.measure();
    assert_eq!(rig.book().files.len(), 3, "the deleted one is forgotten");
}

#[test]
fn a_copy_stays_a_copy_when_its_original_goes_on_and_is_deleted() {
    for length in [40, 2_000] {
        let mut rig = Rig::new();
        rig.append("app.log", &bytes(length));
        rig.measure();
        fs::copy(rig.log("app.log"), rig.log("app.log.1")).expect("copied");
        rig.append("app.log", &bytes(3_000));
        rig.measure();
        fs::remove_file(rig.log("app.log")).expect("deleted");
        assert_eq!(rig.finish(), length as u64 + 3_000, "the copy of {length} bytes");
    }
}

#[test]
fn a_file_replaced_by_a_longer_copy_of_itself_adds_only_the_rest() {
    let mut rig = Rig::new();
    rig.append("a", &bytes(100));
    rig.measure();
    let mut longer = fs::read(rig.log("a")).expect("read");
    longer.extend(bytes(40));
    rig.append("a.new", &longer);
    rig.rename("a.new", "a");
    assert_eq!(rig.finish(), 140);
}

#[test]
fn one_file_with_many_names_is_one_file_and_what_is_no_file_is_left_alone() {
    let mut rig = Rig::new();
    rig.append("a", &bytes(100));
    fs::hard_link(rig.log("a"), rig.log("hard")).expect("linked");
    symlink(rig.log("a"), rig.log("soft")).expect("linked");
    symlink(rig.log("loop"), rig.log("loop")).expect("linked");
    symlink(rig.logs(), rig.log("up")).expect("linked");
    // not by a command: a process that begins shares the locks of every agent here until it runs its program
    mkfifoat(CWD, rig.log("pipe"), Mode::RUSR | Mode::WUSR).expect("a pipe");
    assert_eq!(rig.finish(), 100);
    fs::remove_file(rig.log("a")).expect("deleted");
    rig.append("hard", &bytes(10));
    assert_eq!(rig.finish(), 110);
}

#[test]
fn a_file_outside_that_is_linked_into_the_watch_counts() {
    let mut rig = Rig::new();
    let outside = rig.state().join("outside");
    fs::write(&outside, bytes(10)).expect("written");
    symlink(&outside, rig.log("link")).expect("linked");
    rig.measure();
    File::options().append(true).open(&outside).and_then(|mut file| file.write_all(&bytes(5))).expect("appended");
    assert_eq!(rig.finish(), 15);
}

#[test]
fn what_was_there_before_may_be_skipped_and_is_skipped_after_a_loss() {
    let mut rig = Rig::watching(|logs| {
        vec![WatchSettings { path: text(logs), existing: Existing::Skip, ..WatchSettings::default() }]
    });
    rig.append("a", &bytes(100));
    rig.measure();
    rig.append("a", &bytes(10));
    rig.append("b", &bytes(20));
    assert_eq!(rig.finish(), 30);

    let mut rig = Rig::new();
    rig.append("a", &bytes(100));
    rig.finish();
    let (slave, epoch) = (rig.book().slave.clone(), rig.book().epoch.clone());
    rig.append("a", &bytes(1));
    rig.kill();
    fs::remove_file(rig.state().join("spool")).expect("deleted");
    rig.restart();
    rig.measure();
    rig.append("a", &bytes(10));
    rig.append("b", &bytes(20));
    assert_eq!(rig.finish(), 130, "the one byte is lost with the spool, and nothing counts twice");
    assert_eq!(rig.book().slave, slave);
    assert_ne!(rig.book().epoch, epoch);
    assert_eq!(rig.cluster.epochs(), 2);
}

#[test]
fn a_full_spool_makes_measuring_wait_and_nothing_is_lost() {
    let mut rig = Rig::new();
    rig.limit_spool(20_000);
    for file in 0..500 {
        rig.append(&format!("{file:03}.log"), &bytes(10));
    }
    let mut rounds = 0;
    while rig.measure() != Measured::Full {
        rounds += 1;
        assert!(rounds < 10, "it never gets full");
    }
    let waiting = rig.book().pending_bytes();
    assert!((500..5_000).contains(&waiting), "{waiting}");
    rig.append("000.log", &bytes(5));
    assert_eq!(rig.measure(), Measured::Full);
    assert_eq!(rig.book().pending_bytes(), waiting);
    assert_eq!(rig.finish(), 5_005);
}

#[test]
fn reports_are_small_enough_and_hold_one_quarter_of_an_hour() {
    let mut rig = Rig::new();
    for file in 0..3_000 {
        rig.append(&format!("{file:05}-{}.log", "x".repeat(120)), b"1");
    }
    rig.measure();
    rig.now_ms += 15 * 60_000;
    rig.append("late.log", b"22");
    rig.measure();
    let now = rig.now_ms;
    rig.meter().seal(now, true).expect("sealed");
    let reports = rig.meter().batch();
    let whole = serde_json::to_vec(&reports).expect("json").len();
    assert!(whole < 1 << 20, "{whole}");
    for report in &reports {
        assert!(serde_json::to_vec(report).expect("json").len() < 200 << 10);
    }
    let sealed: Vec<_> = rig.book().sealed.iter().map(|report| (report.at_ms, report.bytes())).collect();
    assert_eq!(sealed.last(), Some(&(now, 2)));
    assert!(sealed[..sealed.len() - 1].iter().all(|(at, _)| *at == now - 15 * 60_000));
    assert_eq!(rig.finish(), 3_002);
}

#[test]
fn what_the_cluster_refuses_is_kept_or_dated_anew_and_never_counted_twice() {
    let mut rig = Rig::new();
    rig.append("a", &bytes(100));
    rig.cluster.too_old = true;
    assert_eq!(rig.finish(), 100, "it counts on the open day");

    rig.append("a", &bytes(10));
    rig.cluster.refuses = Some("not_your_slave");
    assert_eq!(rig.finish(), 100);
    assert_eq!(rig.book().pending_bytes(), 10, "somebody can mend that");
    rig.cluster.refuses = None;
    assert_eq!(rig.finish(), 110);

    rig.append("a", &bytes(5));
    rig.cluster.refuses = Some("gap_closed");
    assert_eq!(rig.finish(), 110);
    assert_eq!((rig.book().pending_bytes(), rig.book().set_aside_bytes), (0, 5));
    let kept = fs::read_to_string(rig.state().join("refused.ndjson")).expect("kept");
    assert!(kept.contains("gap_closed") && kept.contains("\"bytes\":5"), "{kept}");
}
