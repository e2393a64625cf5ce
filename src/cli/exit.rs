//! How a command ends: its exit code, and what it says about what went wrong.

use std::fmt;
use std::process::ExitCode;

use crate::agent::AgentError;
use crate::client::{Attempt, ClientError};
use crate::config::ConfigError;
use crate::identity::IdentityError;
use crate::node::NodeError;
use crate::signing::keys::KeyProblem;
use crate::signing::{LicenseProblem, SignProblem};

/// The exit codes, as `--help` shows them.
pub(super) const TABLE: &str = "\
Exit codes:
    0  done
    1  failed, for a reason that has no code of its own
    2  used wrongly: an argument, a file that is not there or cannot be understood
    3  no node could be reached
    4  not signed in, or not allowed
    5  the cluster is not healthy, or has no quorum
    6  refused by a rule: a bad signature, an expired license, over the limit
    7  not found
  130  interrupted";

/// An exit code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// Done.
    Done = 0,
    /// Failed, unclassified.
    Failed = 1,
    /// Used wrongly.
    Usage = 2,
    /// No node could be reached.
    NoNode = 3,
    /// Not signed in or not allowed.
    NotAllowed = 4,
    /// Not healthy, or no quorum.
    Unhealthy = 5,
    /// Refused by a rule.
    Refused = 6,
    /// Not found.
    NotFound = 7,
    /// Interrupted.
    Interrupted = 130,
}

impl Exit {
    /// Every code there is.
    pub const ALL: [Exit; 9] = [
        Exit::Done,
        Exit::Failed,
        Exit::Usage,
        Exit::NoNode,
        Exit::NotAllowed,
        Exit::Unhealthy,
        Exit::Refused,
        Exit::NotFound,
        Exit::Interrupted,
    ];

    /// The code of an HTTP status that is a no.
    #[must_use]
    pub const fn of_status(status: u16) -> Exit {
        match status {
            401 | 403 | 429 => Exit::NotAllowed,
            404 | 410 => Exit::NotFound,
            400..=499 => Exit::Refused,
            502..=504 => Exit::Unhealthy,
            _ => Exit::Failed,
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> ExitCode {
        ExitCode::from(exit as u8)
    }
}

/// Why a command did not do what it was asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// The exit code.
    pub exit: Exit,
    /// What happened; empty: nothing that needs words.
    pub(super) message: String,
    /// What was tried against which node.
    pub(super) tried: Vec<Attempt>,
    /// What helps.
    pub(super) hint: Option<String>,
}

impl Failure {
    fn new(exit: Exit, message: impl Into<String>) -> Failure {
        Failure { exit, message: message.into(), tried: Vec::new(), hint: None }
    }

    pub(super) fn failed(message: impl Into<String>) -> Failure {
        Failure::new(Exit::Failed, message)
    }

    pub(super) fn usage(message: impl Into<String>) -> Failure {
        Failure::new(Exit::Usage, message)
    }

    pub(super) fn unhealthy(message: impl Into<String>) -> Failure {
        Failure::new(Exit::Unhealthy, message)
    }

    pub(super) fn refused(message: impl Into<String>) -> Failure {
        Failure::new(Exit::Refused, message)
    }

    pub(super) fn interrupted() -> Failure {
        Failure::new(Exit::Interrupted, "interrupted")
    }

    /// The reader of standard output went away; that is its right.
    pub(super) fn reader_gone() -> Failure {
        Failure::new(Exit::Done, "")
    }

    pub(super) fn hint(mut self, hint: impl Into<String>) -> Failure {
        self.hint = Some(hint.into());
        self
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.message.is_empty() {
            return Ok(());
        }
        writeln!(f, "error: {}", self.message)?;
        for Attempt { node, why } in &self.tried {
            writeln!(f, "  tried {node}: {why}")?;
        }
        match &self.hint {
            Some(hint) => writeln!(f, "  hint: {hint}"),
            None => Ok(()),
        }
    }
}

impl From<ClientError> for Failure {
    fn from(error: ClientError) -> Failure {
        let tried = error.tried().to_vec();
        let message = error.to_string();
        let (exit, hint) = match error {
            ClientError::Config(_) => (Exit::Usage, None),
            ClientError::NoNode { tried } => (Exit::NoNode, Some(unreachable_hint(&tried))),
            ClientError::NotServed { retry_after: Some(wait), .. } => {
                (Exit::Unhealthy, Some(format!("the cluster asks to be tried again in {} s", wait.as_secs())))
            }
            ClientError::NotServed { retry_after: None, .. } => {
                (Exit::Unhealthy, Some("see which nodes are up: quartermaster cluster status".to_owned()))
            }
            ClientError::Unknown { .. } => {
                (Exit::Unhealthy, Some("look whether it was done before you do it again".to_owned()))
            }
            ClientError::Refused { status, error, .. } => {
                (Exit::of_status(status), error.hint.or_else(|| status_hint(status)))
            }
            ClientError::Strange { .. } => {
                (Exit::Failed, Some("is that a node's API address? quartermaster health livez".to_owned()))
            }
        };
        Failure { exit, message, tried, hint }
    }
}

fn unreachable_hint(tried: &[Attempt]) -> String {
    let says = |word: &str| tried.iter().any(|attempt| attempt.why.contains(word));
    let hint = if says("certificate") || says("UnknownIssuer") {
        "name the cluster's CA: --ca ca.pem, or QUARTERMASTER_CA"
    } else if says("InvalidContentType") || says("corrupt message") {
        "that node speaks plain HTTP: use http:// in --addr"
    } else {
        "set --addr or QUARTERMASTER_ADDR to one or more nodes, for example https://10.0.0.11:8089,https://10.0.0.12:8089"
    };
    hint.to_owned()
}

fn status_hint(status: u16) -> Option<String> {
    let hint = match status {
        401 => "sign in: --user NAME --password-file FILE, or --token-file FILE",
        403 => "see what you may do: quartermaster user rights NAME",
        429 => "wait until the lock-out ends, then sign in with the right password",
        _ => return None,
    };
    Some(hint.to_owned())
}

impl From<ConfigError> for Failure {
    fn from(error: ConfigError) -> Failure {
        Failure::usage(error.to_string())
    }
}

impl From<IdentityError> for Failure {
    fn from(error: IdentityError) -> Failure {
        Failure::usage(error.to_string())
    }
}

impl From<KeyProblem> for Failure {
    fn from(problem: KeyProblem) -> Failure {
        match problem {
            KeyProblem::Unreadable(_) => Failure::usage(problem.to_string()),
            KeyProblem::Failed(_) => Failure::failed(problem.to_string()),
        }
    }
}

impl From<LicenseProblem> for Failure {
    fn from(problem: LicenseProblem) -> Failure {
        Failure::refused(problem.to_string()).hint(problem.hint())
    }
}

impl From<SignProblem> for Failure {
    fn from(problem: SignProblem) -> Failure {
        match problem {
            SignProblem::Key(problem) => problem.into(),
            SignProblem::FormatNotBuilt(_) | SignProblem::WrongKey { .. } | SignProblem::Claims(_) => {
                Failure::usage(problem.to_string())
            }
        }
    }
}

impl From<AgentError> for Failure {
    fn from(error: AgentError) -> Failure {
        match error {
            AgentError::Failed(why) => Failure::failed(why),
            AgentError::Client(error) => error.into(),
        }
    }
}

impl From<NodeError> for Failure {
    fn from(error: NodeError) -> Failure {
        Failure::failed(error.to_string())
    }
}
