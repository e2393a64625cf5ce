//! What lies on disk: the only room that names RocksDB. It knows bytes and indexes, and nothing of what they mean.
//!
//! A node has two databases and one file. `log` is synced with every group commit and is the durable truth; `state` is
//! written behind it and only a flush makes it durable; the promise says, apart from both, what the log must still hold.

mod checkpoint;
mod error;
mod log_db;
mod promise;
mod state_db;
mod tuning;
mod upgrade;

#[cfg(test)]
mod log_db_test;
#[cfg(test)]
mod promise_test;
#[cfg(test)]
mod state_db_test;

pub use error::StoreError;
pub use log_db::{LogBatch, LogDb};
pub use promise::Promise;
pub use state_db::{Checkpoint, CheckpointChunks, CheckpointWriter, Row, Shelf, StateDb, StoredRow};
pub use tuning::Sizes;
