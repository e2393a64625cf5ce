//! Turns of the runtime: how those who share a round get on board (docs/adr/0066).

use tokio::sync::mpsc::UnboundedReceiver;

/// Turns that a round waits for while each brings more. A lone caller waits for one empty turn.
const TURNS: usize = 8;

/// Lets the others that are ready ask, turn by turn while the queue grows: they come along instead of waiting for the next
/// round.
pub(super) async fn queue_up<T>(queue: &UnboundedReceiver<T>) {
    for _ in 0..TURNS {
        let waiting = queue.len();
        tokio::task::yield_now().await;
        if queue.len() == waiting {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::sync::mpsc;

    use super::*;

    #[tokio::test]
    #[expect(clippy::disallowed_methods, reason = "the kind of queue that it is for")]
    async fn who_is_ready_comes_along_and_who_comes_without_end_is_not_waited_for() {
        let (queue, mut queued) = mpsc::unbounded_channel();
        for number in 0..5 {
            let queue = queue.clone();
            tokio::spawn(async move { queue.send(number) });
        }
        queue_up(&queued).await;
        assert_eq!(queued.len(), 5);
        while queued.try_recv().is_ok() {}

        let endless = tokio::spawn(async move {
            while queue.send(0).is_ok() {
                tokio::task::yield_now().await;
            }
        });
        queue_up(&queued).await;
        assert!((TURNS - 1..=TURNS + 1).contains(&queued.len()), "{}", queued.len());
        drop(queued);
        endless.await.expect("it ends with its queue");
    }
}
