//! What a reader wants to see: pure functions over one frozen state. Nothing here decides, and nothing is stored but the
//! usage history, which is folded from records.

pub mod groups;
pub mod journal;
pub mod licenses;
pub mod messages;
pub mod pools;
pub mod seats;
pub mod slaves;
pub mod stacks;
pub mod status;
pub mod usage;
