//! What ends when one type of license follows another, by the product's names of its features (dialect note, part 6).

use super::json::{Node, list, object};
use crate::domain::current::{Mode, mode_of};

const ALWAYS: [&str; 5] = ["security", "watcher", "monitoring", "logstash", "beats"];
const HIGHER: [&str; 6] = ["graph", "ml", "sql", "ccr", "enterprise_search", "redact_processor"];

/// The features that something ends in, in their order.
fn features(from: &str, to: &str) -> Vec<&'static str> {
    let from = mode_of(from);
    let from_high = matches!(from, Some(Mode::Trial | Mode::Platinum | Mode::Enterprise));
    match mode_of(to) {
        to if to == from => Vec::new(),
        Some(Mode::Basic) if from_high => ALWAYS.into_iter().chain(HIGHER).collect(),
        Some(Mode::Basic) => ALWAYS.to_vec(),
        Some(Mode::Gold | Mode::Standard) if from_high => ["security"].into_iter().chain(HIGHER).collect(),
        Some(Mode::Gold | Mode::Standard) => vec!["security"],
        _no_loss => Vec::new(),
    }
}

fn ends(feature: &str) -> &'static str {
    match feature {
        "security" => "Authentication realms, document and field level security, and audit logs of this level end.",
        "watcher" => "Watcher will be disabled",
        "monitoring" => "Monitoring of several clusters ends, and data is kept for as long as without a license.",
        "logstash" => "Logstash will no longer poll for centrally-managed pipelines",
        "beats" => "Beats will no longer take their configuration from the central place.",
        "graph" => "Graph will be disabled",
        "ml" => "Machine learning will be disabled",
        "sql" => "SQL clients beyond the command line will be refused",
        "ccr" => "Following indices of other clusters will be disabled",
        "enterprise_search" => "Search applications will be disabled",
        _redact => "Pipelines that redact will be disabled",
    }
}

/// The `acknowledge` member of an answer: `message`, then features.
pub(super) fn acknowledge(message: &str, from: &str, to: &str, older: bool) -> Node {
    let Node::Object(mut members) = object([("message", message.into())]) else { return object([]) };
    if older {
        let text = "The license that would follow was issued before the one in force.";
        members.push(("license".to_owned(), list([text])));
    }
    for feature in features(from, to) {
        members.push((feature.to_owned(), list([ends(feature)])));
    }
    Node::Object(members)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_step_that_loses_something_is_told() {
        assert_eq!(features("platinum", "basic").len(), 11);
        assert_eq!(features("standard", "basic"), ALWAYS);
        assert_eq!(features("basic", "gold"), ["security"]);
        assert_eq!(features("trial", "silver").len(), 7);
        assert_eq!(features("gold", "silver"), [""; 0]);
        assert_eq!(features("enterprise", "platinum"), [""; 0]);
        assert_eq!(features("platinum", "trial"), [""; 0]);
    }
}
