//! A batch is decoded while it is on its way: its disks take longer than that, and apply need not do it then.

use std::convert::Infallible;
use std::future::pending;
use std::sync::{Mutex, MutexGuard, PoisonError};

use bytes::Bytes;

use crate::domain::apply::decode_batch;
use crate::domain::intent::Intent;
use crate::domain::time::Stamp;

/// Turns of the runtime after which a batch is on its way: openraft takes it, hands it to the disk and to each peer's task, and
/// those write it.
const TURNS: usize = 3;

/// A stamp and the intents that it goes with.
pub(super) type Decoded = (Stamp, Vec<Intent>);

/// The batch that this node proposed last, decoded, until it is applied.
#[derive(Default)]
pub(super) struct Ahead(Mutex<Option<(Bytes, Decoded)>>);

impl Ahead {
    fn lock(&self) -> MutexGuard<'_, Option<(Bytes, Decoded)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Decodes a batch that is being proposed, and waits on for ever: for whoever stops waiting when it is applied.
    pub(super) async fn decode(&self, batch: Bytes) -> Infallible {
        for _ in 0..TURNS {
            tokio::task::yield_now().await;
        }
        // What does not decode is for apply to say.
        let decoded = decode_batch(&batch).ok();
        *self.lock() = decoded.map(|decoded| (batch, decoded));
        pending().await
    }

    /// What these very bytes decode to, if that is known.
    pub(super) fn take(&self, batch: &Bytes) -> Option<Decoded> {
        self.lock().take_if(|(known, _)| known == batch).map(|(_, decoded)| decoded)
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;

    use super::*;
    use crate::domain::apply::encode_batch;

    #[tokio::test]
    async fn a_batch_is_known_once_by_its_very_bytes() {
        let ahead = Ahead::default();
        let batch = |at| {
            let stamp = Stamp { at: crate::domain::time::Moment(at), ..Stamp::default() };
            (encode_batch(&stamp, &[]), stamp)
        };
        let ((one, stamp), (other, _)) = (batch(1), batch(2));
        let mut decoding = std::pin::pin!(ahead.decode(one.clone()));
        for _ in 0..=TURNS {
            assert!((&mut decoding).now_or_never().is_none());
        }
        assert_eq!(ahead.take(&other), None);
        assert_eq!(ahead.take(&one), Some((stamp, Vec::new())));
        assert_eq!(ahead.take(&one), None);
    }

    #[tokio::test]
    async fn what_does_not_decode_is_not_known() {
        let (ahead, broken) = (Ahead::default(), Bytes::from_static(b"\x01\xff\xff\xff\xff"));
        let mut decoding = std::pin::pin!(ahead.decode(broken.clone()));
        for _ in 0..=TURNS {
            assert!((&mut decoding).now_or_never().is_none());
        }
        assert_eq!(ahead.take(&broken), None);
    }
}
