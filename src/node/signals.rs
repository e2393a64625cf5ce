//! What the operating system tells a node.

use std::io;

use tokio::signal::unix::{self, SignalKind};

/// What a signal asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Signal {
    /// SIGTERM or SIGINT: end cleanly.
    Stop,
    /// SIGHUP: read certificates again.
    Reload,
}

/// The signals that a node hears.
pub(super) struct Signals {
    terminate: unix::Signal,
    interrupt: unix::Signal,
    hang_up: unix::Signal,
}

/// Begins to hear them.
pub(super) fn listen() -> io::Result<Signals> {
    Ok(Signals {
        terminate: unix::signal(SignalKind::terminate())?,
        interrupt: unix::signal(SignalKind::interrupt())?,
        hang_up: unix::signal(SignalKind::hangup())?,
    })
}

impl Signals {
    /// The next one.
    pub(super) async fn next(&mut self) -> Signal {
        tokio::select! {
            _ = self.terminate.recv() => Signal::Stop,
            _ = self.interrupt.recv() => Signal::Stop,
            _ = self.hang_up.recv() => Signal::Reload,
        }
    }

    /// Waits for another request to stop, while a first one is being carried out.
    pub(super) async fn insist(&mut self) {
        while self.next().await != Signal::Stop {}
    }
}
