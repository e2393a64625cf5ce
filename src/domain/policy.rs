//! Choices that an operator makes once for the whole cluster, where a product's documentation and the product itself
//! differ: a name, and one of a few words. The first word is what holds until somebody chooses.

use serde::{Deserialize, Serialize};

use super::event::Event;
use super::refusal::Refusal;
use super::state::State;

/// What can be chosen. Grows only at the end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Policy {
    /// Whether a signed license of type basic may be installed by Elasticsearch's API: its documentation shows one
    /// accepted, the product refuses it.
    SignedBasic,
    /// What becomes of a login by Nuix' API that asks for more workers than are free: its documentation grants those
    /// that are left.
    WorkersBeyondFree,
}

/// A word of a policy. Grows only at the end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Choice {
    /// Take it.
    Accept,
    /// Say no.
    Refuse,
    /// Give what there is.
    Clamp,
}

impl Policy {
    /// Every policy there is.
    pub const ALL: [Policy; 2] = [Policy::SignedBasic, Policy::WorkersBeyondFree];

    /// Its name, as API and CLI write it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Policy::SignedBasic => "elastic_signed_basic",
            Policy::WorkersBeyondFree => "nuix_workers_beyond_free",
        }
    }

    /// What may be chosen; the first is what holds until somebody chooses.
    #[must_use]
    pub const fn choices(self) -> &'static [Choice] {
        match self {
            Policy::SignedBasic => &[Choice::Accept, Choice::Refuse],
            Policy::WorkersBeyondFree => &[Choice::Clamp, Choice::Refuse],
        }
    }

    /// The policy of that name.
    #[must_use]
    pub fn named(name: &str) -> Option<Policy> {
        Policy::ALL.into_iter().find(|policy| policy.name() == name)
    }
}

impl Choice {
    /// Every word there is.
    pub const ALL: [Choice; 3] = [Choice::Accept, Choice::Refuse, Choice::Clamp];

    /// The word.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Choice::Accept => "accept",
            Choice::Refuse => "refuse",
            Choice::Clamp => "clamp",
        }
    }

    /// The choice of that word.
    #[must_use]
    pub fn named(name: &str) -> Option<Choice> {
        Choice::ALL.into_iter().find(|choice| choice.name() == name)
    }
}

/// What holds.
#[must_use]
pub fn chosen(state: &State, policy: Policy) -> Choice {
    state.policies.get(&policy).copied().unwrap_or(policy.choices()[0])
}

/// Chooses; no change, no event.
pub(super) fn set(state: &State, policy: Policy, choice: Choice) -> Result<Vec<Event>, Refusal> {
    if !policy.choices().contains(&choice) {
        return Err(Refusal::NoSuchChoice { policy, choice });
    }
    Ok(if chosen(state, policy) == choice { vec![] } else { vec![Event::PolicySet { policy, choice }] })
}
