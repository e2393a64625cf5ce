//! Reading the journal as it grows: pages, then long polls, from whichever node answers.

use std::time::Duration;

use serde::Deserialize;
use serde_json::Value;

use super::{Client, ClientError, Request};

/// How long one long poll waits for a record.
const POLL: Duration = Duration::from_secs(20);

/// A place in the journal, and what is wanted of it.
#[derive(Debug, Clone)]
pub struct Journal {
    client: Client,
    after: u64,
    limit: usize,
    filter: Vec<(String, String)>,
}

#[derive(Deserialize)]
struct Page {
    records: Vec<Value>,
    next: u64,
}

impl Client {
    /// The journal after `seq`, at most `limit` records a page.
    #[must_use]
    pub fn journal(&self, after: u64, limit: usize) -> Journal {
        Journal { client: self.clone(), after, limit, filter: Vec::new() }
    }
}

impl Journal {
    /// Wants only records that fit: `kind`, `actor` or `outcome`.
    #[must_use]
    pub fn only(mut self, field: &str, value: Option<&str>) -> Journal {
        if let Some(value) = value {
            self.filter.push((field.to_owned(), value.to_owned()));
        }
        self
    }

    /// The position that everything up to was read.
    #[must_use]
    pub const fn position(&self) -> u64 {
        self.after
    }

    /// The next records that there are; empty at the end.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn page(&mut self) -> Result<Vec<Value>, ClientError> {
        loop {
            let before = self.after;
            let records = self.read(Duration::ZERO).await?;
            // a page may hold nothing that fits the filter and still not be the end
            if !records.is_empty() || self.after == before {
                return Ok(records);
            }
        }
    }

    /// The next records; waits until there is one.
    ///
    /// # Errors
    /// See [`ClientError`]. The position stays, so that the caller may simply go on.
    pub async fn next(&mut self) -> Result<Vec<Value>, ClientError> {
        loop {
            let records = self.read(POLL).await?;
            if !records.is_empty() {
                return Ok(records);
            }
        }
    }

    async fn read(&mut self, wait: Duration) -> Result<Vec<Value>, ClientError> {
        let mut request = Request::get(["journal"]).query("after", self.after).query("limit", self.limit).waiting(wait);
        if !wait.is_zero() {
            request = request.query("wait_ms", wait.as_millis());
        }
        for (field, value) in &self.filter {
            request = request.query(field, value);
        }
        let reply = self.client.send(request).await?;
        let page: Page = reply.read()?;
        self.after = page.next.max(self.after);
        Ok(page.records)
    }
}
