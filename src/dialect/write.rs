//! A write on its way: the caller's own key, and the command that is decided once.

use tokio::time::Instant;

use super::request::Head;
use super::trouble::{Malformed, Trouble};
use super::{Call, Context};
use crate::access::Presented;
use crate::domain::intent::{Command, IdempotencyKey};
use crate::domain::name::sha256;
use crate::domain::record::Outcome;
use crate::domain::refusal::Refusal;
use crate::domain::user::Actor;
use crate::replica::{Answer, Consistency, Unavailable};

/// Longest `Idempotency-Key`.
pub const KEY_BYTES: usize = 255;

/// The caller's own key for a write. Its body hash leaves secrets out: it goes into the log.
///
/// # Errors
/// When the header is empty or too long.
pub fn idempotency_key(head: &Head, body: &[u8]) -> Result<Option<IdempotencyKey>, Malformed> {
    let Some(value) = head.headers.get("idempotency-key") else { return Ok(None) };
    let key = value.to_str().ok().filter(|key| (1..=KEY_BYTES).contains(&key.len()));
    let key = key.ok_or_else(|| Malformed::BadHeader {
        name: "Idempotency-Key",
        what: format!("1 to {KEY_BYTES} visible ASCII characters"),
    })?;
    let path = head.path.join("/");
    let hash = sha256(&[head.method.as_str().as_bytes(), b"\n", path.as_bytes(), b"\n", body]);
    Ok(Some(IdempotencyKey { key: key.into(), body: hash }))
}

impl<E> Call<E> {
    /// Has a command decided as this caller; `body` is what the caller's idempotency key stands for. A rule's no
    /// becomes a trouble here, in one place. The view from before is let go of: while somebody holds one, what changes is
    /// copied, and what counts from here on is the answer's.
    ///
    /// # Errors
    /// A rule's no, or this node's.
    pub async fn submit(&mut self, command: Command, body: &[u8]) -> Result<Answer, Trouble> {
        self.view = None;
        let key = idempotency_key(&self.head, body)?;
        let (actor, key) = (&self.caller().actor, key.as_ref());
        let first = submit(&self.cx, actor, key, &command, self.head.deadline).await;
        match (&first, &self.presented) {
            // Boxed: few come here, and all would carry it along.
            (Err(Trouble::Refused(Refusal::CredentialStale)), Some(presented)) => {
                Box::pin(self.submit_as_of_now(presented, &command, key, first)).await
            }
            _ => first,
        }
    }

    /// This node was behind when it looked: the credential may be good in its newer version.
    async fn submit_as_of_now(
        &self,
        presented: &Presented,
        command: &Command,
        key: Option<&IdempotencyKey>,
        first: Result<Answer, Trouble>,
    ) -> Result<Answer, Trouble> {
        let fresh = self.cx.replica.view(Consistency::Linearizable, self.head.deadline).await?;
        let caller = self.cx.access.authenticate(presented, &fresh.state, self.head.peer).await?;
        if caller.actor == self.caller().actor {
            return first;
        }
        submit(&self.cx, &caller.actor, key, command, self.head.deadline).await
    }
}

/// Has a command decided; a rule's no becomes a trouble.
///
/// # Errors
/// A rule's no, or this node's.
pub async fn submit(
    cx: &Context,
    actor: &Actor,
    key: Option<&IdempotencyKey>,
    command: &Command,
    deadline: Instant,
) -> Result<Answer, Trouble> {
    let answer = cx.replica.submit(actor, key, command, deadline).await?;
    match &answer.outcome {
        Outcome::Done(_) => Ok(answer),
        Outcome::Refused(refusal) => Err(Trouble::Refused(refusal.clone())),
        Outcome::Repeated { seq } => {
            Err(Unavailable::NotServing(format!("record {seq}, which answers this, cannot be read")).into())
        }
    }
}
