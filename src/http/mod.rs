//! The only room that names warp: listeners, TLS, limits, the door that every request comes through, health and metrics.
//!
//! It knows no route of a dialect and no rule; it bounds what a client may cost.

mod connection;
mod door;
pub mod health;
pub mod limits;
pub mod listener;
pub mod metrics_endpoint;
mod outgoing;
pub mod tls;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use ::metrics::{Gauge, gauge};

use crate::dialect::Context;
use crate::metrics::{self, Recorder};
use health::Health;
use limits::Limits;

/// What a listener answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Serves {
    /// The dialects, health, and metrics for those with the right.
    Api,
    /// Health, and metrics for anybody: loopback, or behind an operator's own wall.
    Metrics,
}

/// What all listeners of a node share.
pub struct House {
    /// What dialects work with.
    pub context: Arc<Context>,
    /// This node's health.
    pub health: Health,
    /// What was recorded; `None` when the process records nothing (tests).
    pub recorder: Option<Recorder>,
    /// What bounds a client.
    pub limits: Limits,
    /// Requests being answered, held because it is counted twice a request.
    in_flight: Gauge,
    leaving: AtomicBool,
}

impl House {
    /// A house that serves.
    #[must_use]
    pub fn new(context: Arc<Context>, recorder: Option<Recorder>, limits: Limits) -> Arc<House> {
        let health = Health::new(context.replica.clone());
        let in_flight = gauge!(metrics::HTTP_IN_FLIGHT);
        Arc::new(House { context, health, recorder, limits, in_flight, leaving: AtomicBool::new(false) })
    }

    /// Makes readiness false, so that load balancers look elsewhere; call it some time before the listeners stop.
    pub fn leave(&self) {
        self.leaving.store(true, Ordering::Relaxed);
    }

    /// Whether this node is on its way out.
    #[must_use]
    pub fn is_leaving(&self) -> bool {
        self.leaving.load(Ordering::Relaxed)
    }
}
