//! The words of the golden scripts about seats.

use std::error::Error;
use std::fmt::Write as _;

use goldenscript::ArgumentConsumer;
use quartermaster::domain::intent::Command;
use quartermaster::domain::license::Term;
use quartermaster::domain::name::{Map, Name, Set};
use quartermaster::domain::seat::event::SeatEvent;
use quartermaster::domain::seat::rules::{ChangeSeatRules, Principal};
use quartermaster::domain::seat::{Checkout, Need, Overask, SeatCommand};
use quartermaster::domain::state::State;
use quartermaster::domain::time::Moment;

use crate::script::span;

type Failure = Box<dyn Error>;

/// A command about seats; `None` when the word is about something else.
pub(crate) fn command(
    tokens: &mut u8,
    word: &str,
    args: &mut ArgumentConsumer<'_>,
) -> Result<Option<Command>, Failure> {
    let command = match word {
        "seats" => return license(args).map(Some),
        "take" => take(tokens, args)?,
        "beat" => SeatCommand::Beat { id: id(args)? },
        "claim" => SeatCommand::Claim { id: id(args)?, hash: fresh(tokens) },
        "return" => SeatCommand::Return { id: id(args)? },
        "release" => SeatCommand::Release { id: id(args)?, even_borrowed: args.take_key("borrowed") == Some("true") },
        "borrow" => SeatCommand::Borrow { id: id(args)?, for_ms: span(args.next_pos().ok_or("for how long?")?)? },
        "reserve" => SeatCommand::Reserve {
            product: next(args)?,
            principal: principal(args.next_pos().ok_or("for whom?")?)?,
            seats: args.next_pos().ok_or("how many?")?.parse()?,
        },
        "rules" => SeatCommand::SetRules { product: next(args)?, changes: Box::new(changes(args)?) },
        _other => return Ok(None),
    };
    Ok(Some(Command::Seat(command)))
}

fn fresh(tokens: &mut u8) -> [u8; 32] {
    *tokens += 1;
    [*tokens; 32]
}

fn next(args: &mut ArgumentConsumer<'_>) -> Result<Name, Failure> {
    Ok(args.next_pos().ok_or("which?")?.into())
}

fn id(args: &mut ArgumentConsumer<'_>) -> Result<u64, Failure> {
    Ok(args.next_pos().ok_or("which?")?.parse()?)
}

fn principal(text: &str) -> Result<Principal, Failure> {
    Principal::parse(text).ok_or_else(|| format!("{text} is no user: and no group:").into())
}

fn principals(text: &str) -> Result<Set<Principal>, Failure> {
    text.split(',').filter(|word| !word.is_empty()).map(principal).collect()
}

/// `seats LICENSE TYPE COUNT`: a license of seats.
fn license(args: &mut ArgumentConsumer<'_>) -> Result<Command, Failure> {
    let (name, product) = (next(args)?, next(args)?);
    let count = args.next_pos().ok_or("how many?")?.parse()?;
    let workers = args.take_key("workers").map_or(Ok(0), str::parse)?;
    let mut license = crate::world::seats(&name, &product, count, workers);
    if let Some(expires) = args.take_key("expires") {
        license.expires = Moment(crate::world::START + span(expires)?);
    }
    let fixed = args.take_key("choose") == Some("false");
    for term in &mut license.terms {
        if let Term::Seats(grant) = term {
            grant.can_choose_workers = !fixed;
        }
    }
    Ok(Command::InstallLicense(Box::new(license)))
}

fn take(tokens: &mut u8, args: &mut ArgumentConsumer<'_>) -> Result<SeatCommand, Failure> {
    let token = args.take_key("token") != Some("false");
    Ok(SeatCommand::Checkout(Checkout {
        product: args.next_pos().map(Name::from),
        workers: args.take_key("workers").map(str::parse).transpose()?,
        over: if args.take_key("over") == Some("refuse") { Overask::Refuse } else { Overask::Clamp },
        hash: token.then(|| fresh(tokens)),
        queue: args.take_key("queue") == Some("true"),
        address: args.take_key("from").unwrap_or("::1").into(),
        client: args.take_key("client").unwrap_or_default().into(),
    }))
}

fn changes(args: &mut ArgumentConsumer<'_>) -> Result<ChangeSeatRules, Failure> {
    let limit =
        |text: &str| -> Result<Option<u32>, Failure> { Ok(if text == "none" { None } else { Some(text.parse()?) }) };
    let priority = |pair: &str| -> Result<(Principal, u8), Failure> {
        let (who, priority) = pair.rsplit_once('=').ok_or("who=priority")?;
        Ok((principal(who)?, priority.parse()?))
    };
    Ok(ChangeSeatRules {
        allow: args
            .take_key("allow")
            .map(|text| if text == "all" { Ok(None) } else { principals(text).map(Some) })
            .transpose()?,
        deny: args.take_key("deny").map(principals).transpose()?,
        per_user: args.take_key("per_user").map(limit).transpose()?,
        per_address: args.take_key("per_address").map(limit).transpose()?,
        priorities: args
            .take_key("priorities")
            .map(|text| text.split(',').map(priority).collect::<Result<Map<_, _>, _>>())
            .transpose()?,
        lease_ms: args.take_key("lease").map(span).transpose()?,
        place_ms: args.take_key("place").map(span).transpose()?,
        borrow_seats: args.take_key("borrow").map(str::parse).transpose()?,
        borrow_ms: args.take_key("borrow_for").map(span).transpose()?,
    })
}

/// A fact in few words.
pub(crate) fn fact(event: &SeatEvent) -> String {
    match event {
        SeatEvent::Taken { session, hash } => {
            let kept = session.reservation.as_ref().map(|of| format!(" kept for {of}")).unwrap_or_default();
            let token = if hash.is_some() { " with a token" } else { "" };
            let waited = if session.waited_ms > 0 { format!(" after {} ms", session.waited_ms) } else { String::new() };
            let (id, product, user, workers) = (session.id, &session.product, &session.user, session.workers);
            format!("Taken {id} of {product} by {user}, {workers} workers{kept}{token}{waited}")
        }
        SeatEvent::Queued { place } => {
            let Need { least, most } = place.need;
            format!("Queued {} for {} by {}, {least} to {most} workers", place.id, place.product, place.user)
        }
        SeatEvent::Kept { id, .. } => format!("Kept {id}"),
        SeatEvent::Claimed { id, token, version, .. } => format!("Claimed {id} with token {token} version {version}"),
        SeatEvent::Ended { ids, cause } => format!("Ended {ids:?}: {}", cause.name()),
        SeatEvent::Borrowed { id, until } => {
            format!("Borrowed {id} for {} hours more", until.0.saturating_sub(crate::world::START) / 3_600_000)
        }
        SeatEvent::Reserved { product, principal, seats } => format!("Reserved {seats} of {product} for {principal}"),
        SeatEvent::RulesSet { product, rules } => format!("RulesSet for {product}: {rules:?}"),
    }
}

/// Types, sessions and lines.
pub(crate) fn shown(state: &State) -> String {
    let mut out = String::new();
    let seats = &state.seats;
    for kind in seats.types.values() {
        let tally = seats.tally(&kind.name);
        let (name, count, workers) = (&kind.name, kind.count, kind.workers);
        writeln!(
            out,
            "{name}: {} of {count} held, {} of {workers} workers, {} kept, {} borrowed, {} wait",
            tally.held, tally.workers, tally.held_back, tally.borrowed, tally.waiting
        )
        .expect("writing to a string cannot fail");
        for (_, session) in seats.sessions.iter().filter(|(_, session)| session.product == kind.name) {
            let left = session.ends.0.saturating_sub(state.now.0) / 1_000;
            writeln!(out, "  {} {} for {left} s", session.id, session.user).expect("writing to a string cannot fail");
        }
        for (_, _, id) in seats.line.iter().filter(|(product, ..)| *product == kind.name) {
            let place = &seats.places[id];
            let position = quartermaster::domain::seat::queue::position(seats, place);
            let estimate = quartermaster::domain::seat::queue::estimate_ms(seats, &place.product, position);
            writeln!(out, "  {position}. {id} {} in about {estimate:?} ms", place.user)
                .expect("writing to a string cannot fail");
        }
    }
    out
}

/// What happened, by day and type.
pub(crate) fn days(state: &State) -> String {
    let day = |((day, product), of): (&(_, Name), &_)| format!("{day} {product}: {of:?}\n");
    state.seats.days.iter().map(day).collect()
}
