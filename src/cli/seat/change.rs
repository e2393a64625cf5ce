//! `seat rules`: who may have how much of a type.

use std::time::Duration;

use clap::Args;
use serde_json::{Map, Value};

use super::TYPE;
use crate::cli::connect::{duration, millis};
use crate::cli::{Context, Failure};
use crate::client::Request;

#[derive(Debug, Args)]
pub(in crate::cli) struct Rules {
    /// The type
    name: String,
    /// Only these may have seats: user:NAME or group:NAME; may be given several times
    #[arg(long, value_name = "FOR", value_delimiter = ',')]
    allow: Vec<String>,
    /// Everybody with the right may
    #[arg(long, conflicts_with = "allow")]
    allow_all: bool,
    /// These may not, whatever is allowed; may be given several times
    #[arg(long, value_name = "FOR", value_delimiter = ',')]
    deny: Vec<String>,
    /// Nobody is denied
    #[arg(long, conflicts_with = "deny")]
    deny_nobody: bool,
    /// Most seats and places of one user; 0 for no limit
    #[arg(long, value_name = "N")]
    per_user: Option<u32>,
    /// Most seats and places of one address; 0 for no limit
    #[arg(long, value_name = "N")]
    per_address: Option<u32>,
    /// Who waits before others, such as user:ann=9; may be given several times
    #[arg(long = "priority", value_name = "FOR=N", value_delimiter = ',', value_parser = priority)]
    priorities: Vec<(String, u8)>,
    /// How long a session lives without a beat
    #[arg(long, value_name = "TIME", value_parser = duration)]
    lease: Option<Duration>,
    /// How long a place in line lives without a question
    #[arg(long, value_name = "TIME", value_parser = duration)]
    place: Option<Duration>,
    /// Most seats that are borrowed at a time; 0: none
    #[arg(long, value_name = "N")]
    borrow_seats: Option<u64>,
    /// Longest borrow
    #[arg(long, value_name = "TIME", value_parser = duration)]
    borrow_for: Option<Duration>,
}

impl Rules {
    pub(super) async fn run(self, context: &Context) -> Result<(), Failure> {
        let name = self.name.clone();
        let body = self.body();
        if body.is_empty() {
            return Err(Failure::usage("nothing to change").hint("see quartermaster seat rules --help"));
        }
        let client = context.client.connect()?;
        context.out.one(&client.send(Request::patch(["seats", &name]).json(&body)).await?.json()?, &TYPE)
    }

    fn body(self) -> Map<String, Value> {
        let mut body = Map::new();
        let mut put = |field: &str, value: Option<Value>| {
            body.extend(value.map(|value| (field.to_owned(), value)));
        };
        let list = |names: Vec<String>| (!names.is_empty()).then(|| Value::from(names));
        let limit = |limit: Option<u32>| limit.map(|limit| if limit == 0 { Value::Null } else { limit.into() });
        put("allow", if self.allow_all { Some(Value::Null) } else { list(self.allow) });
        put("deny", if self.deny_nobody { Some(Value::Array(Vec::new())) } else { list(self.deny) });
        put("per_user", limit(self.per_user));
        put("per_address", limit(self.per_address));
        let priorities: Map<String, Value> = self.priorities.into_iter().map(|(who, n)| (who, n.into())).collect();
        put("priorities", (!priorities.is_empty()).then(|| priorities.into()));
        put("lease_ms", self.lease.map(|span| millis(span).into()));
        put("place_ms", self.place.map(|span| millis(span).into()));
        put("borrow_seats", self.borrow_seats.map(Value::from));
        put("borrow_ms", self.borrow_for.map(|span| millis(span).into()));
        body
    }
}

fn priority(text: &str) -> Result<(String, u8), String> {
    let (who, number) = text.rsplit_once('=').ok_or("write for example user:ann=9")?;
    let number = number.parse::<u8>().map_err(|_no_number| "a priority is 1 to 255".to_owned())?;
    Ok((who.to_owned(), number))
}
