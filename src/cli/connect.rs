//! How the client commands reach the cluster, and as whom. Secrets come from files, standard input or a prompt, never
//! from arguments, which other users of the machine can read.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;

use super::{Failure, ask};
use crate::agent::AgentSettings;
use crate::client::{Client, ClientConfig, Credential};

/// Who is asked without `--addr`: a node on this machine.
const ADDR: &str = "https://127.0.0.1:8089";

/// Where the cluster is and who asks.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Client options")]
pub(super) struct ClientOptions {
    /// Nodes of the cluster; the next one is asked when one does not answer [default: https://127.0.0.1:8089]
    #[arg(long, global = true, env = "QUARTERMASTER_ADDR", value_name = "URL[,URL…]", value_delimiter = ',')]
    addr: Vec<String>,
    /// Certificates in PEM that the nodes' must come from [default: the system's]
    #[arg(long, global = true, env = "QUARTERMASTER_CA", value_name = "FILE")]
    ca: Option<PathBuf>,
    /// Who asks
    #[arg(long, global = true, env = "QUARTERMASTER_USER", value_name = "NAME")]
    user: Option<String>,
    /// File with the user's password, - for standard input; without it you are asked
    #[arg(long, global = true, env = "QUARTERMASTER_PASSWORD_FILE", value_name = "FILE")]
    password_file: Option<PathBuf>,
    /// File with a token, - for standard input; instead of user and password
    #[arg(long, global = true, env = "QUARTERMASTER_TOKEN_FILE", value_name = "FILE")]
    token_file: Option<PathBuf>,
    /// How long to try in all, such as 500ms, 15s or 2m
    #[arg(long, global = true, env = "QUARTERMASTER_TIMEOUT", value_name = "TIME", value_parser = duration, default_value = "15s")]
    timeout: Duration,
}

impl ClientOptions {
    /// A client that proves who asks.
    pub(super) fn connect(&self) -> Result<Client, Failure> {
        self.client(self.credential()?)
    }

    /// A client that proves nothing: for health.
    pub(super) fn connect_as_nobody(&self) -> Result<Client, Failure> {
        self.client(Credential::None)
    }

    /// The certificate of the cluster's authority, as PEM.
    pub(super) fn authority(&self) -> Result<String, Failure> {
        let ca = self.ca.as_ref().ok_or_else(|| Failure::usage("no CA certificate is named").hint("add --ca FILE"))?;
        super::files::read_text(ca, super::files::FILE_BYTES)
    }

    /// How long to try in all.
    pub(super) const fn timeout(&self) -> Duration {
        self.timeout
    }

    /// These options, and where they say nothing, what an agent's file says.
    pub(super) fn over(&self, file: &AgentSettings) -> ClientOptions {
        let given = self.clone();
        let own_credential = given.user.is_some() || given.password_file.is_some() || given.token_file.is_some();
        let under = |path: &Option<PathBuf>| path.clone().filter(|_| !own_credential);
        ClientOptions {
            addr: if given.addr.is_empty() { file.addr.clone() } else { given.addr },
            ca: given.ca.or_else(|| file.ca.clone()),
            user: given.user.or_else(|| file.user.clone().filter(|_| !own_credential)),
            password_file: given.password_file.or_else(|| under(&file.password_file)),
            token_file: given.token_file.or_else(|| under(&file.token_file)),
            timeout: given.timeout,
        }
    }

    fn client(&self, credential: Credential) -> Result<Client, Failure> {
        let ca_pem = self.ca_pem()?;
        let mut nodes: Vec<String> = self.addr.iter().filter(|node| !node.trim().is_empty()).cloned().collect();
        if nodes.is_empty() {
            nodes.push(ADDR.to_owned());
        }
        let config = ClientConfig { nodes, ca_pem, credential, timeout: Some(self.timeout), ..ClientConfig::default() };
        Ok(Client::new(config)?)
    }

    /// Certificates in PEM that the nodes' must come from.
    pub(super) fn ca_pem(&self) -> Result<Option<Vec<u8>>, Failure> {
        let read = |path: &PathBuf| {
            std::fs::read(path).map_err(|error| Failure::usage(format!("{}: {error}", path.display())))
        };
        self.ca.as_ref().map(read).transpose()
    }

    /// The token of `--token-file`, for what sends it by itself.
    pub(super) fn bearer(&self) -> Result<Option<String>, Failure> {
        let token = self.token_file.as_ref().map(|path| ask::secret_of(path, "token")).transpose()?;
        Ok(token.map(|token| token.expose().to_owned()))
    }

    fn credential(&self) -> Result<Credential, Failure> {
        if let Some(path) = &self.token_file {
            return Ok(Credential::Bearer(ask::secret_of(path, "token")?));
        }
        match (&self.user, &self.password_file) {
            (Some(user), Some(path)) => {
                Ok(Credential::Basic { user: user.clone(), password: ask::secret_of(path, "password")? })
            }
            (Some(user), None) => {
                let password = ask::hidden(&format!("password of {user}: "), "--password-file FILE")?;
                Ok(Credential::Basic { user: user.clone(), password })
            }
            (None, Some(_)) => {
                Err(Failure::usage("a password without a user").hint("add --user NAME or QUARTERMASTER_USER"))
            }
            (None, None) => Ok(Credential::None),
        }
    }
}

/// A time span as people write it.
pub(super) fn duration(text: &str) -> Result<Duration, String> {
    let bad = || format!("`{text}` is no time; write for example 500ms, 15s, 2m, 12h or 30d");
    let split = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(split);
    let number: u64 = number.parse().map_err(|_unspecified| bad())?;
    let ms = match unit {
        "ms" => 1,
        "s" | "" => 1_000,
        "m" => 60_000,
        "h" => 3_600_000,
        "d" => 86_400_000,
        _ => return Err(bad()),
    };
    number.checked_mul(ms).filter(|ms| *ms > 0).map(Duration::from_millis).ok_or_else(bad)
}

/// A time span in whole milliseconds, as the API takes it.
pub(super) fn millis(span: Duration) -> u64 {
    u64::try_from(span.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_span_has_a_number_and_a_unit() {
        assert_eq!(duration("500ms"), Ok(Duration::from_millis(500)));
        assert_eq!(duration("15"), Ok(Duration::from_secs(15)));
        assert_eq!(duration("30d"), Ok(Duration::from_secs(30 * 86_400)));
        for bad in ["", "s", "0s", "-1s", "1.5h", "1y", "99999999999999999999d", "18446744073709551615d"] {
            assert!(duration(bad).is_err(), "{bad}");
        }
    }
}
