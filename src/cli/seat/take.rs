//! `seat take`: a seat now, or in its turn. The same request is sent again with the same key until the turn comes, so a
//! lost answer and a dead node cost neither the seat nor the place.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use serde_json::{Value, json};
use tokio::time::Instant;

use super::SESSION;
use crate::cli::connect::{duration, millis};
use crate::cli::{Context, Failure, files, print};
use crate::client::Request;

/// How long one request waits for the turn; the place is kept from one to the next.
const WAIT: Duration = Duration::from_secs(20);

#[derive(Debug, Args)]
pub(in crate::cli) struct Take {
    /// The seat type; absent: the first one listed
    name: Option<String>,
    /// How many workers; absent: one, or the type's fixed number
    #[arg(long)]
    workers: Option<u64>,
    /// Rather take no seat than fewer workers
    #[arg(long)]
    refuse: bool,
    /// How long to wait in line when none is free, such as 10m
    #[arg(long, value_name = "TIME", value_parser = duration)]
    wait: Option<Duration>,
    /// Where a token goes that is good exactly as long as the session lives
    #[arg(long, value_name = "FILE")]
    token_out: Option<PathBuf>,
    /// What this client calls itself, such as a host or a job
    #[arg(long, default_value = "")]
    client: String,
}

impl Take {
    pub(super) async fn run(self, context: &Context) -> Result<(), Failure> {
        let client = context.client.connect()?;
        let key = uuid::Uuid::new_v4().to_string();
        let until = self.wait.map(|wait| Instant::now() + wait);
        // The body stays the same from one try to the next, as the key asks.
        let each = self.wait.unwrap_or_default().min(WAIT);
        let spinner = print::spinner("waiting in line");
        let mut answer = loop {
            let body = json!({
                "type": self.name, "workers": self.workers, "over": if self.refuse { "refuse" } else { "clamp" },
                "token": self.token_out.is_some(), "queue": self.wait.is_some(), "wait_ms": millis(each),
                "client": self.client,
            });
            let request = Request::post(["sessions"]).json(&body).key(&key).waiting(each);
            let answer = client.send(request).await?.json()?;
            if answer["state"] != "waiting" || until.is_none_or(|until| Instant::now() >= until) {
                break answer;
            }
            spinner.set_message(format!("waiting in line: {}", answer["position"]));
        };
        spinner.finish_and_clear();
        if answer["state"] == "waiting" {
            return give_up(&client, &answer).await;
        }
        if let (Some(path), Some(token)) = (&self.token_out, answer["token"].as_str()) {
            files::write_new(path, token.as_bytes(), true)?;
        }
        if let Some(members) = answer.as_object_mut() {
            members.remove("token");
        }
        context.out.one(&answer, &SESSION)
    }
}

/// The time is over: leaves the line, so that nobody waits behind somebody who has gone.
async fn give_up(client: &crate::client::Client, answer: &Value) -> Result<(), Failure> {
    let id = answer["seat"].to_string();
    client.send(Request::delete(["sessions", &id])).await?;
    let ahead = answer["position"].as_u64().unwrap_or(1) - 1;
    Err(Failure::refused(format!("no seat came free in time: {ahead} were still ahead"))
        .hint("wait longer, with --wait"))
}
