//! The words of the golden scripts. `ann: …` lets user `ann` ask; without a prefix the administrator does.

use std::error::Error;
use std::fmt::Write as _;

use goldenscript::{ArgumentConsumer, Context, Runner};
use quartermaster::domain::current::{ReplaceLicense, StartGrant};
use quartermaster::domain::event::Event;
use quartermaster::domain::intent::{Command, IdempotencyKey};
use quartermaster::domain::license::{BuiltinGrant, Format, License, Term};
use quartermaster::domain::name::{Name, Set, hex, sha256};
use quartermaster::domain::policy::{self, Choice, Policy};
use quartermaster::domain::pool::{CreatePool, EditPool, Members, Quota};
use quartermaster::domain::record::Outcome;
use quartermaster::domain::seat::SeatCommand;
use quartermaster::domain::settings::ChangeSettings;
use quartermaster::domain::slave::{EditSlave, Level, Report, Row};
use quartermaster::domain::term::IssueOrder;
use quartermaster::domain::time::Moment;
use quartermaster::domain::user::{Right, TokenKind, UserCommand};
use quartermaster::projection::{groups, licenses, messages, pools, slaves, stacks, usage};

use crate::world::{DAY_MS, World, issuer, license};
use crate::{invariants, seats, works};

pub(crate) struct Script {
    world: World,
    /// The last intents, so that they can be proposed again.
    last: Vec<quartermaster::domain::intent::Intent>,
    tokens: u8,
}

type Said = Result<String, Box<dyn Error>>;

impl Script {
    pub(crate) fn new() -> Script {
        Script { world: World::new(), last: Vec::new(), tokens: 0 }
    }

    fn ask(&mut self, context: &Context, key: Option<&str>, command: Command) -> Said {
        let user = context.prefix.as_deref().unwrap_or("admin");
        let actor = if user == "system" { crate::world::system() } else { self.world.user(user) };
        let key = key.map(|key| IdempotencyKey { key: key.into(), body: sha256(&[body(&command).as_bytes()]) });
        self.last = vec![self.world.intent(actor, key, command)];
        self.propose()
    }

    fn propose(&mut self) -> Said {
        let applied = self.world.batch(&self.last.clone());
        invariants::check(&self.world.ledger.state);
        let lines: Vec<String> = applied.iter().map(|applied| self.told(&applied.record.outcome)).collect();
        Ok(lines.concat())
    }

    fn told(&self, outcome: &Outcome) -> String {
        match outcome {
            Outcome::Done(events) if events.is_empty() => "nothing to do\n".to_owned(),
            Outcome::Done(events) => events.iter().map(|event| format!("{}\n", self.fact(event))).collect(),
            Outcome::Refused(refusal) => format!("refused: {refusal:?}\n"),
            Outcome::Repeated { seq } => format!("repeated: record {seq} has answered this\n"),
        }
    }

    /// A fact in few words.
    fn fact(&self, event: &Event) -> String {
        match event {
            Event::LicenseInstalled { license } => format!("LicenseInstalled {}", license.label),
            Event::LicenseRemoved { license }
            | Event::LicenseStarted { license }
            | Event::LicenseExpired { license } => {
                let word = format!("{event:?}");
                let label = self.world.ledger.state.licenses.get(license).map_or("it", |license| &license.label);
                format!("{} {label}", word.split(' ').next().unwrap_or_default())
            }
            Event::PoolCreated { name, stack, quota, members, fixed, .. } => {
                let fixed = if *fixed { ", fixed" } else { "" };
                format!("PoolCreated {name} of {stack}: {quota:?} for {}{fixed}", told_members(members))
            }
            Event::PoolEdited { name, quota, members, .. } => {
                format!("PoolEdited {name}: {quota:?} for {}", told_members(members))
            }
            Event::ReportJudged(judged) => {
                let pool = judged.pool.and_then(|uid| self.world.ledger.state.pool_pasts.get(&uid));
                let pool = pool.map_or("no pool", |past| &past.name);
                format!("{} {:?}: {} bytes in {pool}", judged.slave, judged.fate, judged.bytes)
            }
            Event::DayClosed(closed) => {
                let over = closed.totals.pools.iter().filter(|(_, used)| used.is_over()).count();
                format!(
                    "DayClosed {}: {} bytes, {} reports, {over} pools over",
                    closed.day, closed.totals.bytes, closed.totals.reports
                )
            }
            Event::UserPut { name, user } => {
                format!("UserPut {name}: {:?}, password {}", told_set(&user.roles), user.password_version)
            }
            Event::TokenPut { token } => format!("TokenPut {} version {} of {}", token.id, token.version, token.user),
            Event::SettingsChanged { .. } => "SettingsChanged".to_owned(),
            Event::KeyTrusted { .. } => "KeyTrusted".to_owned(),
            Event::Seat(event) => seats::fact(event),
            Event::Work(event) => works::fact(event),
            other => format!("{other:?}"),
        }
    }

    fn report(&mut self, args: &mut ArgumentConsumer<'_>) -> Result<Command, Box<dyn Error>> {
        let slave = args.next_pos().ok_or("whose?")?;
        let bytes: u64 = args.next_pos().ok_or("how many bytes?")?.parse()?;
        let now = self.world.now;
        let time = args.take_key("time").map(|time| ago(now, time)).transpose()?;
        let levels = args.take_key("shards").map(str::parse).transpose()?;
        let mut rows =
            vec![Row { bytes, sourcetype: args.take_key("sourcetype").unwrap_or("syslog").into(), ..Row::default() }];
        for number in 0..args.take_key("hosts").map_or(Ok(0), str::parse::<u32>)? {
            rows.push(Row { host: format!("h{number}").into(), ..rows[0].clone() });
        }
        let report = Report {
            slave: slave.into(),
            sequence: args.take_key("seq").map(str::parse).transpose()?,
            epoch: args.take_key("epoch").unwrap_or_default().into(),
            report_id: args.take_key("id").unwrap_or_default().into(),
            pool: args.take_key("pool").unwrap_or_default().into(),
            time,
            rows,
            levels: levels.map(|value| Level { name: "shards".into(), value }).into_iter().collect(),
        };
        Ok(Command::ReportUsage { reports: vec![report] })
    }

    fn license(&mut self, args: &mut ArgumentConsumer<'_>) -> Result<License, Box<dyn Error>> {
        let name = args.next_pos().ok_or("which?")?;
        let mut license = license(name, args.next_pos().ok_or("how many bytes?")?.parse()?);
        let now = self.world.now;
        if let Some(starts) = args.take_key("starts") {
            license.starts = Moment(now + span(starts)?);
        }
        if let Some(expires) = args.take_key("expires") {
            license.expires = Moment(now + span(expires)?);
        }
        if let Some(key) = args.take_key("key") {
            license.key = Some(key.into());
        }
        let Term::Meter(meter) = &mut license.terms[0] else { return Err("a license of volume".into()) };
        meter.group = args.take_key("group").unwrap_or("Enterprise").into();
        meter.stack = args.take_key("stack").unwrap_or("enterprise").into();
        meter.max_violations = args.take_key("max").map_or(Ok(5), str::parse)?;
        meter.window_days = args.take_key("window").map_or(Ok(30), str::parse)?;
        meter.sourcetypes = words(args.take_key("sourcetypes"));
        if let Some(features) = args.take_key("features") {
            meter.features = words(Some(features));
        }
        Ok(license)
    }

    /// A license in the place of the one in force: `replace NAME TYPE [issued=-2d] [format=redis] [ack=true] …`.
    fn replace(&mut self, args: &mut ArgumentConsumer<'_>) -> Result<Command, Box<dyn Error>> {
        let (name, kind) = (args.next_pos().ok_or("which?")?, args.next_pos().ok_or("of which type?")?);
        let format = if args.take_key("format") == Some("redis") { Format::Redis } else { Format::Elastic };
        let issued = ago(self.world.now, args.take_key("issued").unwrap_or("-1d"))?;
        let mut license = crate::world::signed(format, name, kind, issued.0);
        if let Some(starts) = args.take_key("starts") {
            license.starts = ago(self.world.now, starts)?;
        }
        license.terms.extend(args.take_key("cluster").map(|name| Term::Cluster(name.into())));
        if let Some(number) = args.take_key("issue") {
            license.terms.push(Term::Issue(IssueOrder { series: "".into(), number: number.parse()? }));
        }
        let in_use = args.take_key("used").map(str::parse).transpose()?;
        Ok(Command::ReplaceLicense(ReplaceLicense {
            license: Box::new(license),
            acknowledged: args.take_key("ack") == Some("true"),
            in_use: in_use.map(|value| Level { name: "ram_shards".into(), value }).into_iter().collect(),
        }))
    }

    fn command(&mut self, name: &str, args: &mut ArgumentConsumer<'_>) -> Result<Command, Box<dyn Error>> {
        let first = |args: &mut ArgumentConsumer<'_>| args.next_pos().map(Name::from).ok_or("which?");
        Ok(match name {
            "license" => Command::InstallLicense(Box::new(self.license(args)?)),
            "remove" => Command::RemoveLicense { license: sha256(&[first(args)?.as_bytes()]) },
            "replace" => self.replace(args)?,
            "start" => Command::StartGrant(StartGrant {
                grant: grant(&first(args)?)?,
                kind: args.take_key("type").unwrap_or("trial").into(),
                acknowledged: args.take_key("ack") == Some("true"),
            }),
            "revoke_license" => Command::RevokeLicense {
                license: sha256(&[first(args)?.as_bytes()]),
                series: args.take_key("series") == Some("true"),
            },
            "grant" => Command::GrantBuiltin { grant: grant(&first(args)?)? },
            "activate" => Command::ActivateGroup { group: first(args)? },
            "trust" => Command::TrustKey(issuer()),
            "distrust" => Command::DistrustKey { key: issuer().id },
            "pool" => Command::CreatePool(CreatePool {
                pool: first(args)?,
                stack: first(args)?,
                quota: quota(&first(args)?)?,
                members: members(args.take_key("slaves").unwrap_or_default()),
                description: "".into(),
            }),
            "edit" => Command::EditPool(EditPool {
                pool: first(args)?,
                quota: args.take_key("quota").map(quota).transpose()?,
                members: args.take_key("slaves").map(members),
                append: args.take_key("append") == Some("true"),
                description: args.take_key("description").map(Name::from),
            }),
            "delete" => Command::DeletePool { pool: first(args)? },
            "report" => self.report(args)?,
            "label" => Command::EditSlave(EditSlave { slave: first(args)?, label: Some(first(args)?) }),
            "forget" => Command::ForgetSlave { slave: first(args)? },
            "policy" => Command::SetPolicy {
                policy: Policy::named(&first(args)?).ok_or("no such policy")?,
                choice: Choice::named(&first(args)?).ok_or("no such choice")?,
            },
            "settings" => Command::ChangeSettings(ChangeSettings {
                squash_threshold: args.take_key("squash").map(str::parse).transpose()?,
                retention_days: args.take_key("days").map(str::parse).transpose()?,
                ..ChangeSettings::default()
            }),
            _other => match seats::command(&mut self.tokens, name, args)? {
                Some(command) => command,
                None => match works::command(self.world.now, name, args)? {
                    Some(command) => command,
                    None => Command::User(self.account(name, args)?),
                },
            },
        })
    }

    fn account(&mut self, name: &str, args: &mut ArgumentConsumer<'_>) -> Result<UserCommand, Box<dyn Error>> {
        let user: Name = args.next_pos().ok_or("who?")?.into();
        Ok(match name {
            "user" => UserCommand::CreateUser {
                name: user,
                password: "$argon2id$1".into(),
                roles: words(args.take_key("roles")),
                slave: args.take_key("slave").map(Name::from),
            },
            "change" => UserCommand::EditUser {
                name: user,
                roles: args.take_key("roles").map(|roles| words(Some(roles))),
                disabled: args.take_key("disabled").map(|disabled| disabled == "true"),
                slave: None,
            },
            "password" => UserCommand::ChangePassword { name: user, password: "$argon2id$2".into() },
            "drop" => UserCommand::DeleteUser { name: user },
            "role" => {
                let named =
                    |name: &str| Right::ALL.into_iter().find(|right| right.name() == name).ok_or("no such right");
                let rights = args.next_pos().ok_or("which rights?")?.split(',').map(named).collect::<Result<_, _>>()?;
                UserCommand::PutRole { name: user, rights }
            }
            "unrole" => UserCommand::DeleteRole { name: user },
            "team" => UserCommand::PutUserGroup {
                name: user,
                roles: words(args.take_key("roles")),
                members: words(args.take_key("members")),
            },
            "move" => UserCommand::EditUserGroup {
                name: user,
                add: words(args.take_key("add")),
                remove: words(args.take_key("remove")),
            },
            "disband" => UserCommand::DeleteUserGroup { name: user },
            "token" => {
                self.tokens += 1;
                let ttl_ms = span(args.take_key("ttl").unwrap_or("1h"))?;
                UserCommand::CreateToken {
                    user,
                    hash: [self.tokens; 32],
                    kind: TokenKind::Session,
                    label: "".into(),
                    ttl_ms,
                }
            }
            "revoke" => UserCommand::RevokeToken { id: user.parse()? },
            "lock" => UserCommand::LockOut { user, address: "::1".into(), for_ms: 60_000 },
            other => return Err(format!("no such word: {other}").into()),
        })
    }

    #[expect(clippy::too_many_lines, reason = "one arm for each thing that a script may look at")]
    fn show(&self, what: &str) -> Said {
        let state = &self.world.ledger.state;
        let mut out = String::new();
        match what {
            "groups" => {
                for group in groups::groups(state) {
                    let active = if group.is_active { " active" } else { "" };
                    writeln!(out, "{}{active}: {:?}", group.name, group.stacks)?;
                }
            }
            "stacks" => {
                for view in stacks::stacks(state) {
                    let stack = view.stack;
                    let (quota, used) = (stack.quota_bytes, view.used_bytes);
                    writeln!(
                        out,
                        "{}: {used} of {quota}, {} in {} days",
                        stack.id, stack.max_violations, stack.window_days
                    )?;
                }
            }
            "pools" => {
                for view in pools::pools(state) {
                    let by: Vec<_> =
                        pools::slaves_used(state, view.pool, None).map(|(id, used)| format!(" {id}={used}")).collect();
                    let (used, quota) = (view.used_bytes, view.effective_quota_bytes);
                    writeln!(
                        out,
                        "{}: {used} of {quota}, over on {} days:{}",
                        view.pool.name,
                        view.over.len(),
                        by.concat()
                    )?;
                }
            }
            "slaves" => {
                for view in slaves::slaves(state, None) {
                    let (slave, warnings) = (view.slave, view.warnings.len());
                    let status = view.status.name();
                    writeln!(
                        out,
                        "{}: {} today, {status}, {warnings} warnings, in {:?}",
                        slave.id, view.used_bytes, view.pools
                    )?;
                }
            }
            "features" => {
                for view in slaves::slaves(state, None) {
                    let features = view.features.iter().map(|(name, status)| format!("{name}={status:?}"));
                    writeln!(out, "{}: {}", view.slave.id, features.collect::<Vec<_>>().join(" "))?;
                }
            }
            "messages" => {
                for message in messages::messages(state) {
                    writeln!(
                        out,
                        "{} {}: {}",
                        message.category.severity(),
                        message.category.name(),
                        message.description
                    )?;
                }
            }
            "licenses" => {
                for view in licenses::licenses(state) {
                    let license = view.license;
                    writeln!(out, "{}: {:?}, {:?} days left", license.label, view.standing, view.days_left)?;
                }
            }
            "teams" => {
                for (name, group) in &state.user_groups {
                    writeln!(out, "{name}: {} have {}", told_set(&group.members), told_set(&group.roles))?;
                }
            }
            "policies" => {
                for policy in Policy::ALL {
                    writeln!(out, "{}: {}", policy.name(), policy::chosen(state, policy).name())?;
                }
            }
            "levels" => writeln!(out, "{:?}", usage::levels(state))?,
            "days" => {
                for (day, totals) in &state.days {
                    writeln!(out, "{day}: {} bytes, {} in no pool", totals.bytes, totals.unpooled_bytes)?;
                }
            }
            "seats" => out = seats::shown(state),
            "seat_days" => out = seats::days(state),
            "digest" => writeln!(out, "{}", hex(&state.heads.digest()))?,
            other => out = works::shown(state, other)?.ok_or_else(|| format!("cannot show {other}"))?,
        }
        Ok(out)
    }
}

impl Runner for Script {
    type Command = goldenscript::Command;

    fn run(&mut self, command: &goldenscript::Command, context: &Context) -> Said {
        let mut args = command.consume_args();
        let key = args.take_key("key_used");
        let said = match command.name.as_str() {
            "show" => self.show(args.next_pos().ok_or("show what?")?),
            "again" => self.propose(),
            "pass" => {
                self.world.now += span(args.next_pos().ok_or("how long?")?)?;
                let applied = self.world.pass();
                invariants::check(&self.world.ledger.state);
                Ok(applied.iter().map(|applied| self.told(&applied.record.outcome)).collect())
            }
            "many" => {
                let (slave, from, to): (&str, u64, u64) = (
                    args.next_pos().ok_or("whose?")?,
                    args.next_pos().ok_or("from?")?.parse()?,
                    args.next_pos().ok_or("to?")?.parse()?,
                );
                let step: usize = args.take_key("step").map_or(Ok(1), str::parse)?;
                let reports = (from..=to).step_by(step).map(|seq| crate::world::report(slave, seq, 1)).collect();
                let said = self.ask(context, None, Command::ReportUsage { reports })?;
                let counted = said.matches("Accepted").count();
                let rest: String =
                    said.lines().filter(|line| !line.contains("Accepted")).map(|line| format!("{line}\n")).collect();
                Ok(format!("{counted} accepted\n{rest}"))
            }
            name => {
                let command = self.command(name, &mut args)?;
                self.ask(context, key, command)
            }
        };
        args.reject_next()?;
        said
    }
}

/// What of a command its caller repeats: a token's hash is made anew by the node.
fn body(command: &Command) -> String {
    match command {
        Command::User(UserCommand::CreateToken { user, .. }) => format!("token of {user}"),
        Command::Seat(SeatCommand::Checkout(wanted)) => format!("seat {:?}", wanted.product),
        other => format!("{other:?}"),
    }
}

pub(crate) fn span(text: &str) -> Result<u64, Box<dyn Error>> {
    let (number, unit) = text.split_at(text.len().saturating_sub(1));
    let unit = match unit {
        "s" => 1_000,
        "m" => 60_000,
        "h" => 3_600_000,
        "d" => DAY_MS,
        _other => return Err(format!("no such span: {text}").into()),
    };
    Ok(number.parse::<u64>()? * unit)
}

fn ago(now: u64, text: &str) -> Result<Moment, Box<dyn Error>> {
    match text.strip_prefix('-') {
        Some(text) => Ok(Moment(now - span(text)?)),
        None => Ok(Moment(now + span(text)?)),
    }
}

fn words(text: Option<&str>) -> Set<Name> {
    text.unwrap_or_default().split(',').filter(|word| !word.is_empty()).map(Name::from).collect()
}

fn members(text: &str) -> Members {
    let named = words(Some(text));
    Members { all: named.contains("*"), named: named.into_iter().filter(|name| **name != *"*").collect() }
}

fn quota(text: &str) -> Result<Quota, Box<dyn Error>> {
    Ok(if text == "MAX" { Quota::Max } else { Quota::Bytes(text.parse()?) })
}

fn grant(text: &str) -> Result<BuiltinGrant, Box<dyn Error>> {
    match text {
        "free" => Ok(BuiltinGrant::SplunkFree),
        "forwarder" => Ok(BuiltinGrant::SplunkForwarder),
        "trial" => Ok(BuiltinGrant::SplunkTrial),
        "elastic_basic" => Ok(BuiltinGrant::ElasticBasic),
        "elastic_trial" => Ok(BuiltinGrant::ElasticTrial),
        other => Err(format!("no such grant: {other}").into()),
    }
}

fn told_set(names: &Set<Name>) -> String {
    names.iter().map(|name| name.to_string()).collect::<Vec<_>>().join(",")
}

fn told_members(members: &Members) -> String {
    let all = members.all.then(|| "*".to_owned());
    let names: Vec<String> = all.into_iter().chain(members.named.iter().map(|name| name.to_string())).collect();
    if names.is_empty() { "nobody".to_owned() } else { names.join(",") }
}
