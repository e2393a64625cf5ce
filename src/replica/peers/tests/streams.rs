//! Append streams: order, reuse, and what a conflict leaves behind.

use std::sync::atomic::Ordering;
use std::time::Duration;

use futures_util::{StreamExt as _, stream};
use openraft::errors::RPCError;
use openraft::network::{NetStreamAppend as _, NetVote as _, RPCOption, RaftNetworkFactory as _};
use openraft::raft::StreamAppendError;
use openraft::{Entry, EntryPayload};

use super::super::Peers;
use super::super::client::lock;
use super::super::wire::{
    AppendRequest, AppendResult, LeaderId, LogId, PeerCall, PeerReply, RpcError, Vote, VoteRequest,
};
use super::double::{Endpoint, Keys, member, plain, soon};
use crate::replica::network::Network;
use crate::replica::types::Batch;

fn option() -> RPCOption {
    RPCOption::new(Duration::from_secs(1))
}

pub(super) fn log_id(index: u64) -> LogId {
    LogId::new(LeaderId { term: 1, node_id: 1 }, index)
}

/// Entries after `previous` up to `last`.
fn request(previous: Option<u64>, last: Option<u64>) -> AppendRequest {
    let first = previous.map_or(0, |previous| previous + 1);
    let entries = last
        .map(|last| first..=last)
        .into_iter()
        .flatten()
        .map(|index| Entry { log_id: log_id(index), payload: EntryPayload::Normal(Batch(vec![7; 100].into())) });
    AppendRequest {
        vote: Vote::new_committed(1, 1),
        prev_log_id: previous.map(log_id),
        entries: entries.collect(),
        leader_commit: None,
    }
}

async fn network(peers: &Peers, endpoint: &Endpoint) -> Network {
    peers.clone().new_client(endpoint.node, &member(endpoint.address)).await
}

async fn session(network: &mut Network, requests: Vec<AppendRequest>) -> Vec<Result<AppendResult, RpcError>> {
    match network.stream_append(stream::iter(requests), option()).await {
        Ok(answers) => answers.collect().await,
        Err(error) => vec![Err(error)],
    }
}

#[tokio::test]
async fn answers_come_in_the_requests_order_and_one_connection_serves_every_session() {
    let keys = Keys::new();
    let two = Endpoint::start(keys.tls(2)).await;
    let one = two.caller(keys.tls(1));
    let mut network = network(&one, &two).await;
    let many = (0..500_u64).map(|index| request(index.checked_sub(1), Some(index))).collect();
    let answers = session(&mut network, many).await;
    let expected: Vec<_> = (0..500).map(|index| Ok(Ok(Some(log_id(index))))).collect();
    assert_eq!(answers, expected);
    for _ in 0..100 {
        assert_eq!(session(&mut network, vec![request(Some(499), None)]).await, [Ok(Ok(Some(log_id(499))))]);
    }
    assert_eq!(two.double.streams.load(Ordering::Relaxed), 1, "a session costs no connection and no stream");
    assert!(one.traffic()[&2].round_trip_us.is_some(), "heartbeats measure the way");
    assert_eq!(one.acknowledged(2).map(|known| known.last), Some(log_id(499)));
    two.stop().await;
}

#[tokio::test]
async fn an_answer_comes_while_the_requests_have_not_ended() {
    let two = Endpoint::start(plain(2)).await;
    let one = two.caller(plain(1));
    let mut network = network(&one, &two).await;
    let (requests, mut coming) = tokio::sync::mpsc::channel(8);
    let coming = stream::poll_fn(move |context| coming.poll_recv(context));
    // A session begins with its first request: openraft makes that only once its backoff is over.
    requests.send(request(None, Some(0))).await.expect("it is open");
    let mut answers = network.stream_append(coming, option()).await.expect("a session");
    for index in 0..5_u64 {
        assert_eq!(answers.next().await, Some(Ok(Ok(Some(log_id(index))))));
        requests.send(request(Some(index), Some(index + 1))).await.expect("it is open");
    }
    assert_eq!(answers.next().await, Some(Ok(Ok(Some(log_id(5))))));
    drop(requests);
    assert_eq!(answers.next().await, None);
    drop(answers);
    two.stop().await;
}

#[tokio::test]
async fn a_conflict_ends_the_session_and_the_connection_stays_usable() {
    let two = Endpoint::start(plain(2)).await;
    let one = two.caller(plain(1));
    let mut network = network(&one, &two).await;
    for _ in 0..20 {
        let requests = (10..15_u64).map(|index| request(Some(index), Some(index + 1))).collect();
        assert_eq!(session(&mut network, requests).await, [Ok(Err(StreamAppendError::Conflict(log_id(10))))]);
    }
    assert_eq!(session(&mut network, vec![request(None, Some(3))]).await, [Ok(Ok(Some(log_id(3))))]);
    assert_eq!(one.traffic()[&2].failures, 0, "no connection broke");
    assert!(one.reverted().is_empty());
    two.stop().await;
}

#[tokio::test]
async fn a_session_that_is_given_up_leaves_nothing_behind() {
    let two = Endpoint::start(plain(2)).await;
    let one = two.caller(plain(1));
    let mut network = network(&one, &two).await;
    for index in 0..50_u64 {
        let requests = stream::iter(vec![request(index.checked_sub(1), Some(index))]).chain(stream::pending());
        let mut answers = network.stream_append(Box::pin(requests), option()).await.expect("a session");
        // Polled once: the request may have left, the answer has not come.
        assert!(futures_util::FutureExt::now_or_never(answers.next()).is_none_or(|answer| answer.is_some()));
        drop(answers);
        let answer = session(&mut network, vec![request(index.checked_sub(1), Some(index))]).await;
        assert_eq!(answer, [Ok(Ok(Some(log_id(index))))]);
    }
    assert_eq!(two.double.streams.load(Ordering::Relaxed), 1);
    two.stop().await;
}

#[tokio::test]
async fn a_peer_whose_log_went_back_is_refused_until_it_is_removed() {
    let keys = Keys::new();
    let two = Endpoint::start(keys.tls(2)).await;
    let one = two.caller(keys.tls(1));
    let mut entries = network(&one, &two).await;
    let mut heartbeats = network(&one, &two).await;
    assert_eq!(session(&mut entries, vec![request(None, Some(10))]).await, [Ok(Ok(Some(log_id(10))))]);
    assert_eq!(session(&mut heartbeats, vec![request(Some(10), None)]).await, [Ok(Ok(Some(log_id(10))))]);

    *lock(&two.double.log) = Some(log_id(4));
    let caught = session(&mut heartbeats, vec![request(Some(10), None)]).await;
    assert!(matches!(caught[..], [Err(RPCError::Unreachable(_))]), "{caught:?}");
    assert_eq!(one.reverted(), [2]);
    let refused = session(&mut entries, vec![request(Some(4), Some(11))]).await;
    assert!(matches!(refused[..], [Err(RPCError::Unreachable(_))]), "{refused:?}");
    let vote = entries.vote(VoteRequest::new(Vote::new(9, 1), None), option()).await;
    assert!(matches!(vote, Err(RPCError::Unreachable(_))), "its vote is not asked for: {vote:?}");
    assert!(one.call(2, PeerCall::Status, soon()).await.is_err());

    one.set_members(&[].into());
    assert!(one.reverted().is_empty());
    one.set_members(&[(2, member(two.address))].into());
    assert!(matches!(one.call(2, PeerCall::Status, soon()).await, Ok(PeerReply::Status(_))));
    two.stop().await;
}

#[tokio::test]
async fn a_vote_is_asked_for_and_so_is_a_pre_vote() {
    let two = Endpoint::start(plain(2)).await;
    let one = two.caller(plain(1));
    let mut network = network(&one, &two).await;
    let ask = || VoteRequest::new(Vote::new(3, 1), Some(log_id(2)));
    let granted = network.vote(ask(), option()).await.expect("an answer");
    assert!(granted.vote_granted);
    let pre = network.pre_vote(ask(), option()).await.expect("an answer");
    assert!(!pre.vote_granted, "the peer was asked, nothing was made up");
    two.stop().await;
}

#[tokio::test]
async fn nobody_there_is_an_error_and_no_grant() {
    let two = Endpoint::start(plain(2)).await;
    let one = two.caller(plain(1));
    let mut network = network(&one, &two).await;
    two.stop().await;
    let ask = || VoteRequest::new(Vote::new(3, 1), None);
    assert!(network.vote(ask(), option()).await.is_err());
    assert!(network.pre_vote(ask(), option()).await.is_err());
    let answers = session(&mut network, vec![request(None, Some(1))]).await;
    assert!(matches!(answers[..], [Err(RPCError::Unreachable(_))]), "{answers:?}");
}
