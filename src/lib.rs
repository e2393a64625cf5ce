//! Quartermaster: a high-availability license master. The rooms of the house, one sentence each; ARCHITECTURE.md has
//! the map and the table of who may import whom.

/// Credentials into actors: passwords, tokens, lock-out, rights.
pub mod access;
/// The slave agent: measures what is appended to files, and has each byte counted once.
pub mod agent;
/// The load generator that both sides of a comparison are measured with.
pub mod bench;
/// The command line: one file a noun.
pub mod cli;
/// An HTTP client that knows several nodes and never does a write twice.
pub mod client;
/// Bytes in and out: the one place that names the binary encoding.
pub mod codec;
/// What a node is told: defaults, file, environment, flags.
pub mod config;
/// The languages that clients speak, behind one trait.
pub mod dialect;
/// The rules: pure functions over one state.
pub mod domain;
/// Listeners, TLS, limits, the door, health and metrics endpoints: the only room that names warp.
pub mod http;
/// Who a node is: the cluster's authority, certificates, tickets.
pub mod identity;
/// Every metric's name, kind and help, in one table.
pub mod metrics;
/// Wires the rooms together, starts and stops them.
pub mod node;
/// What a reader wants to see: pure functions over state and records.
pub mod projection;
/// The only room that names openraft: one replicated log, any node answers.
pub mod replica;
/// License documents: read, verify, sign.
pub mod signing;
/// The only room that names RocksDB: bytes and indexes on disk.
pub mod store;
