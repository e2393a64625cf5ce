//! An agent without a network: files, a state directory, and a cluster that counts each epoch and sequence once.

use std::collections::BTreeMap;
use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use super::book::Book;
use super::config::{AgentConfig, AgentSettings, WatchSettings};
use super::disk::{Disk, Fuse};
use super::meter::{Measured, Meter, Settled};
use super::spool::Spool;
use super::tailer::Tailer;
use crate::client::{Acknowledged, Report, ReportResult, Row};

/// What the cluster counted: each report's rows, by epoch and sequence.
#[derive(Debug, Default)]
pub(super) struct Counted {
    reports: BTreeMap<(String, u64), Vec<Row>>,
    /// Refuses reports that carry a time, as if it were too old.
    pub(super) too_old: bool,
    /// Refuses every report for this reason.
    pub(super) refuses: Option<&'static str>,
}

impl Counted {
    pub(super) fn take(&mut self, reports: &[Report]) -> Acknowledged {
        let results = reports.iter().map(|report| self.judge(report)).collect();
        Acknowledged { results, next_report_in_ms: 1_000 }
    }

    fn judge(&mut self, report: &Report) -> ReportResult {
        let (epoch, sequence) = (report.epoch.clone().expect("an epoch"), report.sequence.expect("a sequence"));
        let result = |status: &str, reason: Option<&str>| ReportResult {
            sequence: Some(sequence),
            report_id: None,
            status: status.to_owned(),
            pool: None,
            reason: reason.map(str::to_owned),
        };
        if let Some(known) = self.reports.get(&(epoch.clone(), sequence)) {
            assert_eq!(*known, report.rows, "sequence {sequence} carries something else when it is sent again");
            return result("duplicate", None);
        }
        if let Some(reason) = self.refuses {
            return result("refused", Some(reason));
        }
        if self.too_old && report.time.is_some() {
            return result("refused", Some("too_old"));
        }
        self.reports.insert((epoch, sequence), report.rows.clone());
        result("accepted", None)
    }

    pub(super) fn bytes(&self) -> u64 {
        self.reports.values().flatten().map(|row| row.bytes).sum()
    }

    /// Bytes by the last name of their source, as far as `.log`.
    pub(super) fn by_log(&self) -> BTreeMap<String, u64> {
        let mut sums = BTreeMap::new();
        for (source, bytes) in self.by_source() {
            *sums.entry(source.split(".log").next().unwrap_or_default().to_owned()).or_default() += bytes;
        }
        sums
    }

    /// Bytes by the last name of their source.
    pub(super) fn by_source(&self) -> BTreeMap<String, u64> {
        let mut sums = BTreeMap::new();
        for row in self.reports.values().flatten() {
            let source = row.source.as_deref().unwrap_or_default();
            *sums.entry(source.rsplit('/').next().unwrap_or_default().to_owned()).or_default() += row.bytes;
        }
        sums
    }

    pub(super) fn epochs(&self) -> usize {
        let mut epochs: Vec<&String> = self.reports.keys().map(|(epoch, _)| epoch).collect();
        epochs.dedup();
        epochs.len()
    }
}

/// One agent with its files.
pub(super) struct Rig {
    folder: TempDir,
    config: AgentConfig,
    pub(super) fuse: Fuse,
    meter: Option<Meter>,
    pub(super) cluster: Counted,
    pub(super) now_ms: u64,
}

impl Rig {
    /// Watches the folder `logs`.
    pub(super) fn new() -> Rig {
        Rig::watching(|logs| vec![WatchSettings { path: text(logs), ..WatchSettings::default() }])
    }

    pub(super) fn watching(watch: impl Fn(&Path) -> Vec<WatchSettings>) -> Rig {
        let folder = tempfile::tempdir().expect("a directory");
        let (logs, state) = (folder.path().join("logs"), folder.path().join("state"));
        for path in [&logs, &state] {
            fs::create_dir(path).expect("a directory");
        }
        let settings =
            AgentSettings { state_dir: Some(state), watch: watch(&logs), host: Some("h".into()), ..Default::default() };
        let config = settings.decide().expect("good settings");
        let mut rig = Rig {
            folder,
            config,
            fuse: Fuse::default(),
            meter: None,
            cluster: Counted::default(),
            now_ms: 1_700_000_000_000,
        };
        rig.restart();
        rig
    }

    pub(super) fn logs(&self) -> PathBuf {
        self.folder.path().join("logs")
    }

    pub(super) fn log(&self, name: &str) -> PathBuf {
        self.logs().join(name)
    }

    pub(super) fn state(&self) -> PathBuf {
        self.config.state_dir.clone()
    }

    pub(super) fn limit_spool(&mut self, bytes: u64) {
        self.config.spool_bytes = bytes;
        self.restart();
    }

    /// Ends the agent where it stands, without a word.
    pub(super) fn kill(&mut self) {
        self.meter = None;
    }

    /// Begins from what is on the disk.
    pub(super) fn restart(&mut self) {
        self.meter = None;
        self.fuse = Fuse::default();
        self.meter = Some(self.open().expect("the spool opens"));
    }

    /// Opens the state directory under a fuse, which may blow while it does.
    pub(super) fn open(&self) -> Result<Meter, super::AgentError> {
        let mut disk = Disk::new(&self.config.state_dir);
        disk.fuse = self.fuse.clone();
        let spool = Spool::open(disk, self.config.slave.as_deref(), || uuid::Uuid::new_v4().to_string())?;
        Ok(Meter::new(spool, Tailer::new(self.config.watches.clone()), None, self.config.spool_bytes))
    }

    pub(super) fn meter(&mut self) -> &mut Meter {
        self.meter.as_mut().expect("an agent that runs")
    }

    pub(super) fn book(&mut self) -> &Book {
        self.meter().book()
    }

    pub(super) fn append(&self, name: &str, bytes: &[u8]) {
        let file = OpenOptions::new().create(true).append(true).open(self.log(name));
        file.and_then(|mut file| file.write_all(bytes)).expect("appended");
    }

    pub(super) fn rename(&self, from: &str, to: &str) {
        fs::rename(self.log(from), self.log(to)).expect("renamed");
    }

    pub(super) fn delete(&self, name: &str) {
        self.give_away(name, |path| fs::remove_file(path).expect("deleted"));
    }

    /// Puts another file in its place.
    pub(super) fn replace(&self, name: &str, bytes: &[u8]) {
        let fresh = self.folder.path().join("fresh");
        fs::write(&fresh, bytes).expect("written");
        self.give_away(name, |path| fs::rename(&fresh, path).expect("renamed"));
    }

    /// Takes a file's name away, and waits until the file system's clock has ticked since that was made: another file in
    /// its inode is told from it by when it was made.
    fn give_away(&self, name: &str, take: impl FnOnce(&Path)) {
        let made = |path: &Path| fs::metadata(path).and_then(|about| about.created());
        let (path, probe) = (self.log(name), self.folder.path().join("probe"));
        let before = made(&path);
        take(&path);
        while let Ok(before) = &before {
            fs::write(&probe, b"").expect("written");
            let ticked = made(&probe).is_ok_and(|now| now > *before);
            fs::remove_file(&probe).expect("deleted");
            if ticked {
                return;
            }
        }
    }

    pub(super) fn cut(&self, name: &str) {
        OpenOptions::new().write(true).open(self.log(name)).and_then(|file| file.set_len(0)).expect("cut");
    }

    /// One round; it must get to the disk.
    pub(super) fn measure(&mut self) -> Measured {
        let now = self.now_ms;
        self.meter().measure(now).expect("measured")
    }

    /// Everything measured is counted, as far as the cluster takes it.
    pub(super) fn send_all(&mut self) {
        let now = self.now_ms;
        self.meter().seal(now, true).expect("sealed");
        for _ in 0..1_000 {
            let reports = self.meter().batch();
            if reports.is_empty() {
                return;
            }
            let answer = self.cluster.take(&reports);
            if self.meter().settle(&reports, &answer).expect("settled") == Settled::Waits
                && self.cluster.refuses.is_some()
            {
                return;
            }
        }
        panic!("the cluster never counts everything");
    }

    /// Measures until there is no more, and has it counted.
    pub(super) fn finish(&mut self) -> u64 {
        for _ in 0..3 {
            while self.measure() != Measured::All {
                self.send_all();
            }
        }
        self.send_all();
        self.cluster.bytes()
    }
}

pub(super) fn text(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}

/// `length` bytes that occur nowhere else.
pub(super) fn bytes(length: usize) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(length + 16);
    while bytes.len() < length {
        bytes.extend_from_slice(uuid::Uuid::new_v4().as_bytes());
    }
    bytes.truncate(length);
    bytes
}
