//! What an agent is told: a file in TOML, flags over it.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Deserialize;

use super::AgentError;
use super::book::Label;
use super::pattern::{Pattern, wild};
use crate::config::LogFormat;

/// Largest configuration file that is read, in bytes.
const FILE_BYTES: u64 = 1 << 20;
/// Most watches of one agent: each file is compared with all of them.
const WATCHES: usize = 256;
/// How often files are looked at by default.
const SCAN_INTERVAL_MS: u64 = 5_000;
/// How much may wait to be acknowledged by default, in bytes: days of an outage, for thousands of busy files.
const SPOOL_BYTES: u64 = 64 << 20;
/// The most and the least that may be asked for: it is held in memory too, and one report must fit.
const SPOOL_RANGE: std::ops::RangeInclusive<u64> = 1 << 20..=512 << 20;
/// What is not measured unless a watch says otherwise: logs that were counted before they were compressed.
const EXCLUDE: [&str; 5] = ["*.gz", "*.bz2", "*.xz", "*.zst", "*.zip"];
/// Longest sourcetype, source, host or index that the cluster takes, in bytes.
const LABEL_BYTES: usize = 4_096;
/// Longest name of a slave or a pool that the cluster takes, in characters.
const NAME_CHARS: usize = 100;
/// What is logged by default.
const LOG: &str = "info";

/// One source of an agent's settings; what it does not say is absent.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, clap::Args)]
#[serde(default, deny_unknown_fields)]
#[command(next_help_heading = "Agent settings")]
pub struct AgentSettings {
    /// The slave's GUID [default: drawn once, and kept in the state directory]
    #[arg(long, value_name = "GUID")]
    pub slave: Option<String>,
    /// Where the agent keeps what it measured and has not yet reported
    #[arg(long, env = "QUARTERMASTER_AGENT_STATE_DIR", value_name = "DIR")]
    pub state_dir: Option<PathBuf>,
    /// The host in reports [default: this machine's name]
    #[arg(long, value_name = "NAME")]
    pub host: Option<String>,
    /// The index in reports
    #[arg(long, value_name = "NAME")]
    pub index: Option<String>,
    /// The pool that the slave would like to be counted in
    #[arg(long, value_name = "NAME")]
    pub pool: Option<String>,
    /// How often files are looked at, in milliseconds [default: 5000]
    #[arg(long, value_name = "MS")]
    pub scan_interval_ms: Option<u64>,
    /// How much may wait for the cluster before measuring waits too, in bytes [default: 67108864]
    #[arg(long, value_name = "BYTES")]
    pub spool_bytes: Option<u64>,
    /// What is logged, such as info or quartermaster=debug [default: info]
    #[arg(long, env = "QUARTERMASTER_LOG", value_name = "FILTER")]
    pub log: Option<String>,
    /// How log lines look [default: auto]
    #[arg(long, env = "QUARTERMASTER_LOG_FORMAT", value_name = "FORMAT")]
    pub log_format: Option<LogFormat>,
    /// The nodes' addresses.
    #[arg(skip)]
    pub addr: Vec<String>,
    /// Certificates that the nodes' must come from.
    #[arg(skip)]
    pub ca: Option<PathBuf>,
    /// Who reports.
    #[arg(skip)]
    pub user: Option<String>,
    /// File with the user's password.
    #[arg(skip)]
    pub password_file: Option<PathBuf>,
    /// File with a token.
    #[arg(skip)]
    pub token_file: Option<PathBuf>,
    /// What is measured.
    #[arg(skip)]
    pub watch: Vec<WatchSettings>,
}

/// One `[[watch]]`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct WatchSettings {
    /// A file, a directory with all below it, or a pattern with `*`, `?` and `**`.
    pub path: String,
    /// The sourcetype of its bytes.
    pub sourcetype: Option<String>,
    /// Sourcetypes by pattern of the file's name; the longest pattern that fits wins over `sourcetype`.
    pub sourcetypes: BTreeMap<String, String>,
    /// The host, if not the agent's.
    pub host: Option<String>,
    /// The index, if not the agent's.
    pub index: Option<String>,
    /// Patterns of names, or of whole paths if they hold a `/`, that are not measured.
    pub exclude: Option<Vec<String>>,
    /// Whether what lies in the files when the watch begins counts.
    pub existing: Existing,
}

/// What becomes of bytes that were there before the agent.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Existing {
    /// They count.
    #[default]
    Count,
    /// They do not.
    Skip,
}

/// A watch, understood.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Watch {
    /// As configured: by this it is remembered.
    pub(super) name: String,
    pub(super) pattern: Pattern,
    label: Label,
    sourcetypes: Vec<(String, String)>,
    exclude: Vec<String>,
    pub(super) existing: Existing,
}

/// What an agent runs with: every setting decided.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AgentConfig {
    /// The slave's GUID, unless it is drawn.
    pub slave: Option<String>,
    /// Where spool and offsets lie.
    pub state_dir: PathBuf,
    /// The pool wished for.
    pub pool: Option<String>,
    /// How often files are looked at.
    pub scan_interval: Duration,
    /// How much may wait.
    pub spool_bytes: u64,
    /// What is measured.
    pub watches: Vec<Watch>,
    /// What is logged.
    pub log: String,
    /// How log lines look.
    pub log_format: LogFormat,
}

impl AgentSettings {
    /// Reads a file in TOML.
    ///
    /// # Errors
    /// When it cannot be read, or says what no setting is.
    pub fn read(path: &Path) -> Result<AgentSettings, AgentError> {
        let failed = |why: String| AgentError::because(format!("{}: {why}", path.display()));
        let bytes = fs::metadata(path).map_err(|error| failed(error.to_string()))?.len();
        if bytes > FILE_BYTES {
            return Err(failed(format!("{bytes} bytes, at most {FILE_BYTES}")));
        }
        let text = fs::read_to_string(path).map_err(|error| failed(error.to_string()))?;
        toml::from_str(&text).map_err(|error| failed(error.to_string()))
    }

    /// These settings, and where they say nothing, those `under` them; watches add up.
    #[must_use]
    pub fn over(self, under: AgentSettings) -> AgentSettings {
        AgentSettings {
            slave: self.slave.or(under.slave),
            state_dir: self.state_dir.or(under.state_dir),
            host: self.host.or(under.host),
            index: self.index.or(under.index),
            pool: self.pool.or(under.pool),
            scan_interval_ms: self.scan_interval_ms.or(under.scan_interval_ms),
            spool_bytes: self.spool_bytes.or(under.spool_bytes),
            log: self.log.or(under.log),
            log_format: self.log_format.or(under.log_format),
            addr: if self.addr.is_empty() { under.addr } else { self.addr },
            ca: self.ca.or(under.ca),
            user: self.user.or(under.user),
            password_file: self.password_file.or(under.password_file),
            token_file: self.token_file.or(under.token_file),
            watch: self.watch.into_iter().chain(under.watch).collect(),
        }
    }

    /// Decides what is still open.
    ///
    /// # Errors
    /// When something is missing, or the cluster would not take it.
    pub fn decide(self) -> Result<AgentConfig, AgentError> {
        let refused = |why: String| Err(AgentError::because(why));
        let Some(state_dir) = self.state_dir else {
            return refused("where shall the agent keep its spool? set state_dir, or --state-dir".to_owned());
        };
        for (what, name) in [("slave", &self.slave), ("pool", &self.pool)] {
            if let Some(name) = name.as_ref().filter(|name| !is_name(name)) {
                return refused(format!("`{name}` names no {what}: 1 to {NAME_CHARS} characters, none of them `/`"));
            }
        }
        let spool_bytes = self.spool_bytes.unwrap_or(SPOOL_BYTES);
        let scan_interval_ms = self.scan_interval_ms.unwrap_or(SCAN_INTERVAL_MS);
        if !SPOOL_RANGE.contains(&spool_bytes) || scan_interval_ms == 0 {
            let (least, most) = SPOOL_RANGE.into_inner();
            return refused(format!("spool_bytes is {least} to {most}, scan_interval_ms at least 1"));
        }
        if !(1..=WATCHES).contains(&self.watch.len()) {
            return refused(format!(
                "{} watches; give 1 to {WATCHES}, as [[watch]] in the file or as --watch PATH",
                self.watch.len()
            ));
        }
        let host = self.host.unwrap_or_else(hostname);
        let label = Label { host, index: self.index.unwrap_or_default(), ..Label::default() };
        let watches = self.watch.into_iter().map(|watch| Watch::decide(watch, &label)).collect::<Result<_, _>>()?;
        Ok(AgentConfig {
            slave: self.slave,
            state_dir,
            pool: self.pool,
            scan_interval: Duration::from_millis(scan_interval_ms),
            spool_bytes,
            watches,
            log: self.log.unwrap_or_else(|| LOG.to_owned()),
            log_format: self.log_format.unwrap_or_default(),
        })
    }
}

impl Watch {
    fn decide(watch: WatchSettings, under: &Label) -> Result<Watch, AgentError> {
        let pattern = Pattern::parse(&watch.path)
            .map_err(|why| AgentError::because(format!("watch: {why}; give a whole path")))?;
        let label = Label {
            sourcetype: watch.sourcetype.unwrap_or_default(),
            source: String::new(),
            host: watch.host.unwrap_or_else(|| under.host.clone()),
            index: watch.index.unwrap_or_else(|| under.index.clone()),
        };
        let mut sourcetypes: Vec<(String, String)> = watch.sourcetypes.into_iter().collect();
        // the longest first: it says most about the name
        sourcetypes.sort_by_key(|(pattern, _)| std::cmp::Reverse(pattern.len()));
        let words = [&label.sourcetype, &label.host, &label.index];
        if words.into_iter().chain(sourcetypes.iter().map(|(_, name)| name)).any(|word| word.len() > LABEL_BYTES) {
            return Err(AgentError::because(format!(
                "watch {}: a name is longer than {LABEL_BYTES} bytes",
                watch.path
            )));
        }
        Ok(Watch {
            name: watch.path,
            pattern,
            label,
            sourcetypes,
            exclude: watch.exclude.unwrap_or_else(|| EXCLUDE.map(str::to_owned).to_vec()),
            existing: watch.existing,
        })
    }

    /// Whether a file or directory is left out.
    pub(super) fn excludes(&self, path: &Path) -> bool {
        let name = path.file_name().unwrap_or_default().as_bytes();
        self.exclude.iter().any(|pattern| {
            let whole = pattern.contains('/');
            wild(pattern.as_bytes(), if whole { path.as_os_str().as_bytes() } else { name })
        })
    }

    /// Whether it means this file.
    pub(super) fn covers(&self, path: &Path) -> bool {
        self.pattern.covers(path) && !self.excludes(path)
    }

    /// By what the file's bytes are told apart.
    pub(super) fn label(&self, path: &Path) -> Label {
        let name = path.file_name().unwrap_or(OsStr::new("")).as_bytes();
        let named = self.sourcetypes.iter().find(|(pattern, _)| wild(pattern.as_bytes(), name));
        let sourcetype = named.map_or(&self.label.sourcetype, |(_, sourcetype)| sourcetype);
        let mut source = path.to_string_lossy().into_owned();
        while source.len() > LABEL_BYTES {
            source.pop();
        }
        Label { sourcetype: sourcetype.clone(), source, ..self.label.clone() }
    }
}

fn is_name(name: &str) -> bool {
    let fits = (1..=NAME_CHARS).contains(&name.chars().count());
    fits && !name.trim().is_empty() && !name.chars().any(|letter| letter.is_control() || letter == '/')
}

/// This machine's name; empty when it has none.
fn hostname() -> String {
    fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default().trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decided(text: &str) -> Result<AgentConfig, String> {
        let settings: AgentSettings = toml::from_str(text).map_err(|error| error.to_string())?;
        settings.decide().map_err(|error| error.to_string())
    }

    #[test]
    fn a_file_says_what_is_watched_and_how_it_is_called() {
        let config = decided(
            r#"
            slave = "A"
            state_dir = "/var/lib/agent"
            host = "web-1"
            [[watch]]
            path = "/var/log/app"
            sourcetype = "app"
            sourcetypes = { "*.json" = "json", "access*.json" = "access" }
            [[watch]]
            path = "/srv/**/*.log"
            host = "other"
            exclude = ["debug*", "/srv/tmp/*"]
            existing = "skip"
            "#,
        )
        .expect("a good file");
        let [app, srv] = &config.watches[..] else { panic!("{config:?}") };
        for (path, sourcetype) in [("a.log", "app"), ("a.json", "json"), ("access-1.json", "access")] {
            let label = app.label(&Path::new("/var/log/app").join(path));
            assert_eq!((label.sourcetype.as_str(), label.host.as_str()), (sourcetype, "web-1"), "{path}");
        }
        assert!(app.covers(Path::new("/var/log/app/x/a.log")) && !app.covers(Path::new("/var/log/app/a.log.gz")));
        assert!(srv.covers(Path::new("/srv/a.log")) && !srv.covers(Path::new("/srv/a/debug.log")));
        assert!(!srv.covers(Path::new("/srv/tmp/a.log")) && srv.existing == Existing::Skip);
        assert_eq!(srv.label(Path::new("/srv/a.log")).host, "other");
    }

    #[test]
    fn what_would_not_work_is_told_before_it_starts() {
        let watch = "[[watch]]\npath = '/a'";
        for (text, why) in [
            (format!("state_dir = 'd'\nslaves = 'x'\n{watch}"), "unknown field `slaves`"),
            (watch.to_owned(), "state_dir"),
            ("state_dir = 'd'".to_owned(), "0 watches"),
            ("state_dir = 'd'\n[[watch]]\npath = 'a'".to_owned(), "does not begin with `/`"),
            (format!("state_dir = 'd'\nslave = 'a/b'\n{watch}"), "names no slave"),
            (format!("state_dir = 'd'\nspool_bytes = 5\n{watch}"), "spool_bytes"),
            (format!("state_dir = 'd'\nscan_interval_ms = 0\n{watch}"), "scan_interval_ms"),
        ] {
            let error = decided(&text).expect_err(&text);
            assert!(error.contains(why), "{error}");
        }
    }
}
