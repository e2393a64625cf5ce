//! `seat`: floating seats: what there is, taking and giving back, waiting, reserving, borrowing.

mod change;
mod proof;
mod take;

use std::path::PathBuf;
use std::time::Duration;

use clap::Subcommand;
use serde_json::{Value, json};

use super::connect::{duration, millis};
use super::print::{Field, Kind};
use super::{Context, Failure};
use crate::client::Request;

const EXAMPLES: &str = "\
Examples:
  quartermaster seat list
  quartermaster seat take review --workers 2 --wait 10m --token-out seat.token
  quartermaster seat beat 17
  quartermaster seat return 17
  quartermaster seat queue review
  quartermaster seat reserve review group:lab 5
  quartermaster seat rules review --per-user 2 --lease 5m --borrow-seats 10
  quartermaster seat borrow 17 --for 48h --out laptop.proof
  quartermaster seat verify laptop.proof --ca ca.pem
  quartermaster seat history review -o json";

#[derive(Debug, Subcommand)]
#[command(before_help = EXAMPLES)]
pub(super) enum SeatCommand {
    /// List seat types: what licenses give, and what is in use
    List,
    /// Show a seat type with its rules and reservations
    Show {
        /// Its name
        name: String,
    },
    /// List sessions and places in line: your own, or with the right view everybody's
    Sessions {
        /// Only those of this type
        #[arg(long = "type", value_name = "TYPE")]
        product: Option<String>,
        /// Only those of this user
        #[arg(long = "of", value_name = "USER")]
        of: Option<String>,
        /// Only those that are held, borrowed or waiting
        #[arg(long)]
        state: Option<String>,
    },
    /// Take a seat, or wait in line for one
    Take(take::Take),
    /// Keep your session, or your place in line, for another lease
    Beat {
        /// Its id
        id: u64,
    },
    /// Give your seat back, or leave the line
    Return {
        /// Its id
        id: u64,
    },
    /// Take somebody's seat or place away
    Release {
        /// Its id
        id: u64,
        /// Also a borrowed seat, whose holder works offline until its proof ends
        #[arg(long)]
        even_borrowed: bool,
    },
    /// List who waits for a seat type, in order
    Queue {
        /// The type
        name: String,
    },
    /// Keep seats of a type for a user or a group
    Reserve {
        /// The type
        name: String,
        /// For whom: user:NAME or group:NAME
        #[arg(value_name = "FOR")]
        principal: String,
        /// How many; 0 ends it
        seats: u64,
    },
    /// Change who may have how much of a type; what is not given stays
    Rules(Box<change::Rules>),
    /// Take your seat along for offline use, until an absolute end
    Borrow {
        /// The session's id
        id: u64,
        /// For how long, such as 12h or 7d
        #[arg(long = "for", value_name = "TIME", value_parser = duration)]
        span: Duration,
        /// Where the signed proof goes
        #[arg(long, value_name = "FILE")]
        out: Option<PathBuf>,
    },
    /// Check the proof of a borrowed seat, without the cluster
    Verify(proof::Verify),
    /// Show use, peaks and denials of a type by day
    History {
        /// The type
        name: String,
        /// The first day, such as 2026-11-01
        #[arg(long, value_name = "DATE")]
        from: Option<String>,
        /// The last day
        #[arg(long, value_name = "DATE")]
        to: Option<String>,
    },
}

const TYPES: [Field; 9] = [
    ("TYPE", "/type", Kind::Plain),
    ("SEATS", "/count", Kind::Plain),
    ("USED", "/used", Kind::Plain),
    ("FREE", "/free", Kind::Plain),
    ("KEPT", "/kept", Kind::Plain),
    ("BORROWED", "/borrowed", Kind::Plain),
    ("WAITING", "/waiting", Kind::Plain),
    ("WORKERS", "/workers", Kind::Plain),
    ("FREE WORKERS", "/free_workers", Kind::Plain),
];

const TYPE: [Field; 21] = [
    ("Type", "/type", Kind::Plain),
    ("Description", "/description", Kind::Plain),
    ("Seats", "/count", Kind::Plain),
    ("Used", "/used", Kind::Plain),
    ("Free", "/free", Kind::Plain),
    ("Kept for somebody", "/kept", Kind::Plain),
    ("Borrowed", "/borrowed", Kind::Plain),
    ("Waiting", "/waiting", Kind::Plain),
    ("Workers", "/workers", Kind::Plain),
    ("Free workers", "/free_workers", Kind::Plain),
    ("Workers can be chosen", "/can_choose_workers", Kind::Plain),
    ("Expires", "/expires", Kind::Plain),
    ("Allowed", "/rules/allow", Kind::Plain),
    ("Denied", "/rules/deny", Kind::Plain),
    ("Most of one user", "/rules/per_user", Kind::Plain),
    ("Most of one address", "/rules/per_address", Kind::Plain),
    ("Priorities", "/rules/priorities", Kind::Plain),
    ("Lease in ms", "/rules/lease_ms", Kind::Plain),
    ("Place in line in ms", "/rules/place_ms", Kind::Plain),
    ("Most borrowed", "/rules/borrow_seats", Kind::Plain),
    ("Reservations", "/reservations", Kind::Plain),
];

const SESSIONS: [Field; 9] = [
    ("SEAT", "/seat", Kind::Plain),
    ("TYPE", "/type", Kind::Plain),
    ("STATE", "/state", Kind::Plain),
    ("USER", "/user", Kind::Plain),
    ("ADDRESS", "/address", Kind::Plain),
    ("CLIENT", "/client", Kind::Plain),
    ("WORKERS", "/workers", Kind::Plain),
    ("SINCE", "/since", Kind::Plain),
    ("ENDS", "/ends", Kind::Plain),
];

const SESSION: [Field; 12] = [
    ("Seat", "/seat", Kind::Plain),
    ("State", "/state", Kind::Plain),
    ("Type", "/type", Kind::Plain),
    ("User", "/user", Kind::Plain),
    ("Workers", "/workers", Kind::Plain),
    ("Reservation", "/reservation", Kind::Plain),
    ("Since", "/since", Kind::Plain),
    ("Ends", "/ends", Kind::Plain),
    ("Next beat in ms", "/next_beat_in_ms", Kind::Plain),
    ("Position", "/position", Kind::Plain),
    ("Estimated wait in ms", "/estimate_ms", Kind::Plain),
    ("Waited in ms", "/waited_ms", Kind::Plain),
];

const LINE: [Field; 6] = [
    ("POSITION", "/position", Kind::Plain),
    ("SEAT", "/seat", Kind::Plain),
    ("USER", "/user", Kind::Plain),
    ("CLIENT", "/client", Kind::Plain),
    ("SINCE", "/since", Kind::Plain),
    ("ESTIMATE IN MS", "/estimate_ms", Kind::Plain),
];

const DAYS: [Field; 9] = [
    ("DAY", "/day", Kind::Plain),
    ("SEATS", "/count", Kind::Plain),
    ("PEAK", "/peak_used", Kind::Plain),
    ("PEAK IN LINE", "/peak_waiting", Kind::Plain),
    ("GRANTED", "/granted", Kind::Plain),
    ("SERVED FROM LINE", "/served", Kind::Plain),
    ("TRUE DENIALS", "/true_denials", Kind::Plain),
    ("NO SEAT", "/denied/no_seats", Kind::Plain),
    ("LEASES ENDED", "/ended/lease_ended", Kind::Plain),
];

impl SeatCommand {
    pub(super) async fn run(self, context: &Context) -> Result<(), Failure> {
        let out = context.out;
        match self {
            SeatCommand::Verify(verify) => verify.run(context),
            SeatCommand::Take(take) => take.run(context).await,
            SeatCommand::Rules(rules) => rules.run(context).await,
            SeatCommand::List => out.list(&ask(context, Request::get(["seats"]).query("all", true)).await?, &TYPES),
            SeatCommand::Show { name } => out.one(&ask(context, Request::get(["seats", &name])).await?, &TYPE),
            SeatCommand::Sessions { product, of, state } => {
                let request = Request::get(["sessions"]).query("all", true);
                let request = request.maybe("type", product).maybe("user", of).maybe("state", state);
                out.list(&ask(context, request).await?, &SESSIONS)
            }
            SeatCommand::Beat { id } => {
                out.one(&ask(context, Request::post(["sessions", &id.to_string(), "beat"])).await?, &SESSION)
            }
            SeatCommand::Return { id } => {
                ask(context, Request::delete(["sessions", &id.to_string()])).await?;
                out.say(&format!("returned {id}"));
                Ok(())
            }
            SeatCommand::Release { id, even_borrowed } => {
                let body = json!({ "even_borrowed": even_borrowed });
                ask(context, Request::post(["sessions", &id.to_string(), "release"]).json(&body)).await?;
                out.say(&format!("released {id}"));
                Ok(())
            }
            SeatCommand::Queue { name } => {
                out.list(&ask(context, Request::get(["seats", &name, "queue"]).query("all", true)).await?, &LINE)
            }
            SeatCommand::Reserve { name, principal, seats } => {
                let request = Request::put(["seats", &name, "reservations", &principal]);
                out.one(&ask(context, request.json(&json!({ "seats": seats }))).await?, &TYPE)
            }
            SeatCommand::Borrow { id, span, out: file } => {
                let request = Request::post(["sessions", &id.to_string(), "borrow"]);
                let answer = ask(context, request.json(&json!({ "for_ms": millis(span) }))).await?;
                proof::keep(context, answer, file.as_deref())
            }
            SeatCommand::History { name, from, to } => {
                let request = Request::get(["seats", &name, "history"]).maybe("from", from).maybe("to", to);
                out.list(&ask(context, request).await?, &DAYS)
            }
        }
    }
}

async fn ask(context: &Context, request: Request) -> Result<Value, Failure> {
    Ok(context.client.connect()?.send(request).await?.json()?)
}
