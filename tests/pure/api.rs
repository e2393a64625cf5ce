//! Our own API in-process: transcripts byte for byte, rights of every route, limits over a real socket, no secret shown.

#[path = "api/fixture.rs"]
mod fixture;
#[path = "api/limits.rs"]
mod limits;
#[path = "api/logins.rs"]
mod logins;
#[path = "api/matrix.rs"]
mod matrix;
#[path = "api/pages.rs"]
mod pages;
#[path = "api/rights.rs"]
mod rights;
#[path = "api/secrets.rs"]
mod secrets;
#[path = "api/signed.rs"]
mod signed;
#[path = "api/splunk.rs"]
mod splunk;
#[path = "api/transcripts.rs"]
mod transcripts;
#[path = "api/views.rs"]
mod views;
