//! Tests of real processes: nodes on loopback, killed, damaged, joined, lied to. Nothing survives a test.

#[path = "processes/agent.rs"]
mod agent;
#[path = "processes/api.rs"]
mod api;
#[path = "processes/curl.rs"]
mod curl;
#[path = "processes/damage.rs"]
mod damage;
#[path = "processes/failover.rs"]
mod failover;
#[path = "processes/files.rs"]
mod files;
#[path = "processes/harness.rs"]
mod harness;
#[path = "processes/hostile.rs"]
mod hostile;
#[path = "processes/licenses.rs"]
mod licenses;
#[path = "processes/logins.rs"]
mod logins;
#[path = "processes/membership.rs"]
mod membership;
#[path = "processes/node.rs"]
mod node;
#[path = "processes/seats.rs"]
mod seats;
#[path = "processes/secrets.rs"]
mod secrets;
#[path = "processes/splunk.rs"]
mod splunk;
#[path = "processes/vendor.rs"]
mod vendor;
#[path = "processes/wire.rs"]
mod wire;
