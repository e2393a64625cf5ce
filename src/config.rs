//! What a node is told: defaults, then a file, then the environment, then flags, the later one winning.
//!
//! One struct describes every setting once: its text here is the help of `quartermaster serve`, its name is the key in
//! the file and, in upper case behind `QUARTERMASTER_`, the variable.

use std::fs;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// What is logged by default. openraft repeats each failed attempt to reach a peer; who is down is said once, by us.
const DEFAULT_LOG: &str = "info,openraft=error";
/// Largest configuration file that is read, in bytes.
const FILE_BYTES: u64 = 1 << 20;
/// Shortest heartbeat that is taken, in milliseconds: below it, a busy machine elects without need.
const HEARTBEAT_LEAST_MS: u64 = 10;

/// What is wrong with a configuration.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ConfigError {
    /// A file cannot be read or written.
    #[error("{}: {why}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What the system or the parser says.
        why: String,
    },
    /// A key that no setting has.
    #[error("{} line {line}: `{key}` is no setting; the nearest is `{nearest}`", path.display())]
    UnknownKey {
        /// The file.
        path: PathBuf,
        /// Where it stands, from 1.
        line: usize,
        /// The key.
        key: String,
        /// What may have been meant.
        nearest: String,
    },
    /// Settings that do not go together, or would not be safe.
    #[error("{0}")]
    Refused(String),
}

/// How log lines look.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// For people when standard error is a terminal, else JSON.
    #[default]
    Auto,
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

/// One source of settings; what it does not say is absent.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, clap::Args)]
#[serde(default, deny_unknown_fields)]
#[command(next_help_heading = "Node settings")]
pub struct Settings {
    /// Where the API listens [default: 127.0.0.1:8089]
    #[arg(long, env = "QUARTERMASTER_LISTEN", value_name = "IP:PORT")]
    pub listen: Option<SocketAddr>,
    /// Where the API listens besides, such as 127.0.0.1:9200; may be given several times
    #[arg(long, env = "QUARTERMASTER_EXTRA_LISTEN", value_name = "IP:PORT", value_delimiter = ',')]
    pub extra_listen: Option<Vec<SocketAddr>>,
    /// Where the other nodes connect [default: 127.0.0.1:8090]
    #[arg(long, env = "QUARTERMASTER_PEER_LISTEN", value_name = "IP:PORT")]
    pub peer_listen: Option<SocketAddr>,
    /// Where metrics and health are served without credentials [default: 127.0.0.1:8091]
    #[arg(long, env = "QUARTERMASTER_METRICS_LISTEN", value_name = "IP:PORT")]
    pub metrics_listen: Option<SocketAddr>,
    /// Serve the API without TLS; on loopback addresses only
    #[arg(long, env = "QUARTERMASTER_PLAIN_HTTP", num_args = 0..=1, default_missing_value = "true", require_equals = true,
          value_parser = clap::builder::BoolishValueParser::new(), value_name = "BOOL")]
    pub plain_http: Option<bool>,
    /// Speak to the other nodes without TLS; on loopback addresses only
    #[arg(long, env = "QUARTERMASTER_PLAIN_PEERS", num_args = 0..=1, default_missing_value = "true", require_equals = true,
          value_parser = clap::builder::BoolishValueParser::new(), value_name = "BOOL")]
    pub plain_peers: Option<bool>,
    /// The API's certificate chain in PEM, if not the one of the data directory
    #[arg(long, env = "QUARTERMASTER_TLS_CERT", value_name = "FILE", requires = "tls_key")]
    pub tls_cert: Option<PathBuf>,
    /// The private key of --tls-cert in PEM
    #[arg(long, env = "QUARTERMASTER_TLS_KEY", value_name = "FILE", requires = "tls_cert")]
    pub tls_key: Option<PathBuf>,
    /// The one folder whose files may be installed as licenses by their name; without it none can [default: none]
    #[arg(long, env = "QUARTERMASTER_LICENSE_FOLDER", value_name = "DIR")]
    pub license_folder: Option<PathBuf>,
    /// Most API connections at once [default: 4096]
    #[arg(long, env = "QUARTERMASTER_CONNECTIONS", value_name = "N")]
    pub connections: Option<usize>,
    /// Most API connections at once from one address [default: 1024]
    #[arg(long, env = "QUARTERMASTER_CONNECTIONS_PER_ADDRESS", value_name = "N")]
    pub connections_per_address: Option<usize>,
    /// Threads that answer requests; 0: the replica's own answers what is quick, and one thread the rest [default: 0 on
    /// one or two cores, else one fewer than there are cores, 8 at most]
    #[arg(long, env = "QUARTERMASTER_REQUEST_THREADS", value_name = "N")]
    pub request_threads: Option<usize>,
    /// How long a request may wait for the cluster, in milliseconds [default: 5000]
    #[arg(long, env = "QUARTERMASTER_REQUEST_TIMEOUT_MS", value_name = "MS")]
    pub request_timeout_ms: Option<u64>,
    /// How often the leader shows that it lives, in milliseconds [default: 50]
    #[arg(long, env = "QUARTERMASTER_HEARTBEAT_MS", value_name = "MS")]
    pub heartbeat_ms: Option<u64>,
    /// Shortest silence after which a leader is replaced, in milliseconds [default: 150]
    #[arg(long, env = "QUARTERMASTER_ELECTION_MIN_MS", value_name = "MS")]
    pub election_min_ms: Option<u64>,
    /// Longest silence after which a leader is replaced, in milliseconds [default: 300]
    #[arg(long, env = "QUARTERMASTER_ELECTION_MAX_MS", value_name = "MS")]
    pub election_max_ms: Option<u64>,
    /// How long the node says that it is not ready before it stops to listen, in milliseconds [default: 0]
    #[arg(long, env = "QUARTERMASTER_SHUTDOWN_DELAY_MS", value_name = "MS")]
    pub shutdown_delay_ms: Option<u64>,
    /// How long requests under way may take when the node stops, in milliseconds [default: 10000]
    #[arg(long, env = "QUARTERMASTER_DRAIN_TIMEOUT_MS", value_name = "MS")]
    pub drain_timeout_ms: Option<u64>,
    /// What is logged, such as info or quartermaster=debug [default: info,openraft=error]
    #[arg(long, env = "QUARTERMASTER_LOG", value_name = "FILTER")]
    pub log: Option<String>,
    /// How log lines look [default: auto]
    #[arg(long, env = "QUARTERMASTER_LOG_FORMAT", value_name = "FORMAT")]
    pub log_format: Option<LogFormat>,
}

/// What a node runs with: every setting decided.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NodeConfig {
    /// The node's data; made by `cluster init` or `cluster join`, never by `serve`.
    pub data_dir: PathBuf,
    /// Where the API listens.
    pub listen: SocketAddr,
    /// Where the API listens besides.
    pub extra_listen: Vec<SocketAddr>,
    /// Where the other nodes connect.
    pub peer_listen: SocketAddr,
    /// Where metrics and health are served.
    pub metrics_listen: SocketAddr,
    /// Whether the API is served without TLS.
    pub plain_http: bool,
    /// Whether peers are spoken to without TLS.
    pub plain_peers: bool,
    /// The API's certificate chain and key, if not those of the data directory.
    pub tls: Option<(PathBuf, PathBuf)>,
    /// The one folder whose files may be installed as licenses by their name.
    pub license_folder: Option<PathBuf>,
    /// Most API connections at once.
    pub connections: usize,
    /// Most API connections at once from one address.
    pub connections_per_address: usize,
    /// Threads that answer requests; 0: the replica's own; `None`: as the machine's cores say.
    pub request_threads: Option<usize>,
    /// How long a request may wait for the cluster.
    pub request_timeout: Duration,
    /// How often the leader shows that it lives.
    pub heartbeat: Duration,
    /// Shortest and longest silence after which a leader is replaced.
    pub election: (Duration, Duration),
    /// How long the node says that it is not ready before it stops to listen.
    pub shutdown_delay: Duration,
    /// How long requests under way may take when the node stops.
    pub drain_timeout: Duration,
    /// What is logged.
    pub log: String,
    /// How log lines look.
    pub log_format: LogFormat,
}

impl Settings {
    /// Reads a file in TOML.
    ///
    /// # Errors
    /// When it cannot be read, or says what no setting is.
    pub fn read(path: &Path) -> Result<Settings, ConfigError> {
        Settings::parse(path, &read_bounded(path)?)
    }

    fn parse(path: &Path, text: &str) -> Result<Settings, ConfigError> {
        let wrong = |error: toml::de::Error| ConfigError::File { path: path.to_owned(), why: error.to_string() };
        let known = Settings::names();
        let table = toml::de::DeTable::parse(text).map_err(wrong)?;
        if let Some(key) = table.get_ref().keys().find(|key| !known.iter().any(|name| name == key.get_ref())) {
            let line = text[..key.span().start].matches('\n').count() + 1;
            let nearest = known.iter().min_by_key(|name| distance(name, key.get_ref())).cloned().unwrap_or_default();
            return Err(ConfigError::UnknownKey {
                path: path.to_owned(),
                line,
                key: key.get_ref().to_string(),
                nearest,
            });
        }
        toml::from_str(text).map_err(wrong)
    }

    /// The names of all settings, as the file writes them.
    #[must_use]
    pub fn names() -> Vec<String> {
        let command = <Settings as clap::Args>::augment_args(clap::Command::new("settings"));
        command.get_arguments().map(|argument| argument.get_id().to_string()).collect()
    }

    /// These settings, and where they say nothing, those `under` them.
    #[must_use]
    pub fn over(self, under: Settings) -> Settings {
        Settings {
            listen: self.listen.or(under.listen),
            extra_listen: self.extra_listen.or(under.extra_listen),
            peer_listen: self.peer_listen.or(under.peer_listen),
            metrics_listen: self.metrics_listen.or(under.metrics_listen),
            plain_http: self.plain_http.or(under.plain_http),
            plain_peers: self.plain_peers.or(under.plain_peers),
            tls_cert: self.tls_cert.or(under.tls_cert),
            tls_key: self.tls_key.or(under.tls_key),
            license_folder: self.license_folder.or(under.license_folder),
            connections: self.connections.or(under.connections),
            connections_per_address: self.connections_per_address.or(under.connections_per_address),
            request_threads: self.request_threads.or(under.request_threads),
            request_timeout_ms: self.request_timeout_ms.or(under.request_timeout_ms),
            heartbeat_ms: self.heartbeat_ms.or(under.heartbeat_ms),
            election_min_ms: self.election_min_ms.or(under.election_min_ms),
            election_max_ms: self.election_max_ms.or(under.election_max_ms),
            shutdown_delay_ms: self.shutdown_delay_ms.or(under.shutdown_delay_ms),
            drain_timeout_ms: self.drain_timeout_ms.or(under.drain_timeout_ms),
            log: self.log.or(under.log),
            log_format: self.log_format.or(under.log_format),
        }
    }

    /// Every setting decided, for the node in `data_dir`.
    ///
    /// # Errors
    /// When settings do not go together, or would put a secret on the wire.
    pub fn decide(self, data_dir: PathBuf) -> Result<NodeConfig, ConfigError> {
        let ms = |given: Option<u64>, default: u64| Duration::from_millis(given.unwrap_or(default));
        let config = NodeConfig {
            data_dir,
            listen: self.listen.unwrap_or(loopback(8089)),
            extra_listen: self.extra_listen.unwrap_or_default(),
            peer_listen: self.peer_listen.unwrap_or(loopback(8090)),
            metrics_listen: self.metrics_listen.unwrap_or(loopback(8091)),
            plain_http: self.plain_http.unwrap_or(false),
            plain_peers: self.plain_peers.unwrap_or(false),
            tls: match (self.tls_cert, self.tls_key) {
                (Some(cert), Some(key)) => Some((cert, key)),
                (None, None) => None,
                _ => return Err(refused("tls_cert and tls_key go together: give both, or none")),
            },
            license_folder: self.license_folder,
            connections: self.connections.unwrap_or(4_096),
            connections_per_address: self.connections_per_address.unwrap_or(1_024),
            request_threads: self.request_threads,
            request_timeout: ms(self.request_timeout_ms, 5_000),
            heartbeat: ms(self.heartbeat_ms, 50),
            election: (ms(self.election_min_ms, 150), ms(self.election_max_ms, 300)),
            shutdown_delay: ms(self.shutdown_delay_ms, 0),
            drain_timeout: ms(self.drain_timeout_ms, 10_000),
            log: self.log.unwrap_or_else(|| DEFAULT_LOG.to_owned()),
            log_format: self.log_format.unwrap_or_default(),
        };
        config.check()?;
        Ok(config)
    }
}

impl NodeConfig {
    fn check(&self) -> Result<(), ConfigError> {
        let open = |address: &&SocketAddr| !address.ip().is_loopback();
        if self.plain_http
            && let Some(address) = std::iter::once(&self.listen).chain(&self.extra_listen).find(open)
        {
            return Err(refused(format!(
                "the API would serve {address} without TLS: plain_http is for loopback only; leave it out, and clients use \
                 the cluster's ca.pem"
            )));
        }
        if self.plain_peers && open(&&self.peer_listen) {
            let address = self.peer_listen;
            return Err(refused(format!(
                "peers would be spoken to at {address} without TLS: plain_peers is for loopback only"
            )));
        }
        let (least, most) = self.election;
        if self.heartbeat < Duration::from_millis(HEARTBEAT_LEAST_MS) || self.heartbeat * 2 > least || least >= most {
            return Err(refused(format!(
                "heartbeat_ms {} (at least {HEARTBEAT_LEAST_MS}), election_min_ms {} (at least twice the heartbeat) and \
                 election_max_ms {} (more than the minimum) do not go together",
                self.heartbeat.as_millis(),
                least.as_millis(),
                most.as_millis()
            )));
        }
        if let Some(folder) = &self.license_folder
            && !folder.is_absolute()
        {
            return Err(refused(format!("license_folder {} is no absolute path", folder.display())));
        }
        if self.connections == 0 || self.connections_per_address == 0 || self.request_timeout.is_zero() {
            return Err(refused("connections, connections_per_address and request_timeout_ms are at least 1"));
        }
        Ok(())
    }

    /// The node's certificates.
    #[must_use]
    pub fn identity_dir(&self) -> PathBuf {
        self.data_dir.join("identity")
    }
}

/// Who the node of a data directory is: `node.toml`, written by `cluster init` and `cluster join`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NodeFile {
    /// The cluster's id.
    pub cluster: String,
    /// The node's id; 1 began the cluster.
    pub node: u64,
    /// What people call the node.
    pub name: String,
    /// Host and port where its peers reach it.
    pub peer: String,
    /// URL where clients reach it.
    pub api: String,
}

impl NodeFile {
    /// The file's name within a data directory.
    pub const NAME: &str = "node.toml";

    /// Reads the file of a data directory.
    ///
    /// # Errors
    /// When there is none, or it is damaged.
    pub fn read(data_dir: &Path) -> Result<NodeFile, ConfigError> {
        let path = data_dir.join(NodeFile::NAME);
        if !path.exists() {
            let dir = data_dir.display();
            let help =
                "make one with `quartermaster cluster init`, or join a cluster with `quartermaster cluster join`";
            return Err(refused(format!("{dir} is no node's data directory: {help}")));
        }
        let text = read_bounded(&path)?;
        toml::from_str(&text).map_err(|error| ConfigError::File { path, why: error.to_string() })
    }

    /// The file's text.
    ///
    /// # Errors
    /// When a name cannot stand in TOML.
    pub fn render(&self) -> Result<String, ConfigError> {
        toml::to_string(self).map_err(|error| refused(format!("{}: {error}", NodeFile::NAME)))
    }
}

fn read_bounded(path: &Path) -> Result<String, ConfigError> {
    let failed = |why: String| ConfigError::File { path: path.to_owned(), why };
    let bytes = fs::metadata(path).map_err(|error| failed(error.to_string()))?.len();
    if bytes > FILE_BYTES {
        return Err(failed(format!("{bytes} bytes, at most {FILE_BYTES}")));
    }
    fs::read_to_string(path).map_err(|error| failed(error.to_string()))
}

const fn loopback(port: u16) -> SocketAddr {
    SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), port)
}

fn refused(why: impl Into<String>) -> ConfigError {
    ConfigError::Refused(why.into())
}

/// How many letters must be added, left out or changed to make one word of the other.
fn distance(one: &str, other: &str) -> usize {
    let other: Vec<char> = other.chars().collect();
    let mut row: Vec<usize> = (0..=other.len()).collect();
    for (i, a) in one.chars().enumerate() {
        let mut diagonal = std::mem::replace(&mut row[0], i + 1);
        for (j, b) in other.iter().enumerate() {
            let changed = diagonal + usize::from(a != *b);
            diagonal = row[j + 1];
            row[j + 1] = changed.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row.last().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Settings, ConfigError> {
        Settings::parse(Path::new("node.conf"), text)
    }

    #[test]
    fn without_a_word_everything_is_on_loopback_and_encrypted() {
        let config = Settings::default().decide("/d".into()).expect("the defaults go together");
        assert_eq!(config.listen.to_string(), "127.0.0.1:8089");
        assert_eq!(config.peer_listen.to_string(), "127.0.0.1:8090");
        assert_eq!(config.metrics_listen.to_string(), "127.0.0.1:8091");
        assert!(!config.plain_http && !config.plain_peers);
        assert_eq!(config.heartbeat, Duration::from_millis(50));
    }

    #[test]
    fn flags_win_over_the_file_and_the_file_over_defaults() {
        let file = parse("listen = '127.0.0.1:1'\nheartbeat_ms = 60\nlog_format = 'json'\n").expect("good");
        let flags = Settings { listen: Some(loopback(2)), ..Settings::default() };
        let config = flags.over(file).decide("/d".into()).expect("good");
        assert_eq!((config.listen, config.heartbeat.as_millis()), (loopback(2), 60));
        assert_eq!((config.log_format, config.metrics_listen), (LogFormat::Json, loopback(8091)));
    }

    #[test]
    fn a_misspelled_key_is_named_with_its_line_and_the_nearest() {
        let error = parse("# a node\nlisten = '127.0.0.1:1'\nheartbeet_ms = 50\n").expect_err("no such key");
        assert_eq!(error.to_string(), "node.conf line 3: `heartbeet_ms` is no setting; the nearest is `heartbeat_ms`");
        assert!(parse("listen = 5").expect_err("no address").to_string().contains("line 1"));
        assert!(parse("listen = '").is_err());
    }

    #[test]
    fn nothing_secret_goes_over_an_open_wire() {
        let open: SocketAddr = "10.0.0.1:8089".parse().expect("an address");
        let plain = |listen, peer_listen| {
            let settings = Settings {
                listen: Some(listen),
                peer_listen: Some(peer_listen),
                plain_http: Some(true),
                plain_peers: Some(true),
                ..Settings::default()
            };
            settings.decide("/d".into())
        };
        assert!(plain(loopback(1), loopback(2)).is_ok());
        assert!(plain(open, loopback(2)).expect_err("public").to_string().contains("plain_http is for loopback"));
        assert!(plain(loopback(1), open).expect_err("public").to_string().contains("plain_peers is for loopback"));
        let encrypted = Settings { listen: Some(open), peer_listen: Some(open), ..Settings::default() };
        assert!(encrypted.decide("/d".into()).is_ok());
        let extra = Settings { extra_listen: Some(vec![open]), plain_http: Some(true), ..Settings::default() };
        assert!(extra.decide("/d".into()).is_err());
    }

    #[test]
    fn timers_that_would_elect_for_ever_are_refused() {
        for (heartbeat, least, most) in [(50, 60, 300), (50, 300, 300), (1, 150, 300)] {
            let settings = Settings {
                heartbeat_ms: Some(heartbeat),
                election_min_ms: Some(least),
                election_max_ms: Some(most),
                ..Settings::default()
            };
            assert!(settings.decide("/d".into()).is_err());
        }
    }

    #[test]
    fn every_setting_has_a_name_help_and_a_variable() {
        let command = <Settings as clap::Args>::augment_args(clap::Command::new("settings"));
        for argument in command.get_arguments() {
            let id = argument.get_id().as_str();
            let variable = argument.get_env().map(|name| name.to_string_lossy().into_owned());
            assert_eq!(variable, Some(format!("QUARTERMASTER_{}", id.to_uppercase())));
            assert!(argument.get_help().is_some(), "{id}");
        }
    }

    #[test]
    fn who_a_node_is_survives_its_file() {
        let file = NodeFile {
            cluster: "c".into(),
            node: 2,
            name: "n2".into(),
            peer: "10.0.0.2:8090".into(),
            api: "https://n2:8089".into(),
        };
        let dir = tempfile::tempdir().expect("a directory");
        assert!(NodeFile::read(dir.path()).expect_err("empty").to_string().contains("cluster init"));
        fs::write(dir.path().join(NodeFile::NAME), file.render().expect("text")).expect("written");
        assert_eq!(NodeFile::read(dir.path()), Ok(file));
    }
}
