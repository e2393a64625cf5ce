//! Facts about work as the journal's readers see them.

use serde_json::{Value, json};

use super::wire::{stamp, time};
use crate::domain::work::{Kind, WorkEvent};

pub(super) fn event(event: &WorkEvent) -> Value {
    match event {
        WorkEvent::Asked { work } => json!({
            "event": "work_asked", "work": work.id, "key": work.key, "seat": work.session, "user": work.user,
            "type": work.product, "kind": kind(work.kind), "label": work.label, "bytes": work.bytes,
            "run_ms": work.run_ms, "ends": work.ends.and_then(time),
        }),
        WorkEvent::Begun { id, ends } => json!({"event": "work_begun", "work": id, "ends": stamp(*ends)}),
        WorkEvent::Ended { id, cancelled } => json!({"event": "work_ended", "work": id, "cancelled": cancelled}),
        WorkEvent::Forgotten { ids } => json!({"event": "work_forgotten", "works": ids}),
        WorkEvent::Closing { session, ignore_done } => {
            json!({"event": "session_closing", "seat": session, "ignore_done": ignore_done})
        }
    }
}

const fn kind(kind: Kind) -> &'static str {
    match kind {
        Kind::Processing => "processing",
        Kind::LegalHold => "legal_hold",
    }
}
