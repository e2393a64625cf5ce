//! `license`: the issuer, offline, and the licenses of a cluster.

use std::path::PathBuf;

use clap::{Subcommand, ValueEnum};
use serde_json::{Value, json};

use super::print::{self, Field, Kind};
use super::{Context, Exit, Failure, ask, files, key, now};
use crate::client::{Client, Request};
use crate::domain::license::{Format, License, Term};
use crate::domain::name::{Name, Set, hex};
use crate::domain::time::{Moment, NEVER};
use crate::domain::trust::Algorithm;
use crate::signing::claims::ClaimsFile;
use crate::signing::keys::{KEY_BYTES, SigningKey};
use crate::signing::{self, DOCUMENT_BYTES, FORMATS, Signature, Verdict, quantity};

const SIGN_EXAMPLES: &str = "\
Examples:
  quartermaster license sign --key issuer.pem --claims acme.toml --out acme.lic
  printf 'label = \"Acme\"\\nquota = \"10TB\"\\n' | quartermaster license sign --key issuer.pem --claims -

Claims of the native format, in TOML or JSON:
  quota           bytes a day, as \"10TB\", \"500MB\" (powers of 1024) or a number; required without seats
  id              a UUID; drawn when absent
  label, owner    texts for people
  kind (or type)  such as \"enterprise\", the default
  issued          RFC 3339; now when absent
  starts, expires RFC 3339; absent: from when it was issued, for ever
  group, stack    \"Enterprise\" and \"enterprise\" when absent
  max_violations  5 when absent, within window_period days, 30 when absent
  features        a list; absent: the usual Enterprise features
  sourcetypes     a list; absent or empty: all
  [[seats]]       floating seats, a table for each type: type and count; workers (0 when absent), description,
                  can_choose_workers (true), audited (false), audit_threshold (bytes)

Claims of the immuta format:
  seats           required; softSeats (0), features, handlers, uuid (drawn), createdAt (now), expires (never),
                  hardExpiration and hardDelete (false), notice, noticeOnExpire

Claims of the nuix format:
  shortname       required, and count; workers (0), description, canChooseWorkers (true), audited (false),
                  auditThreshold (bytes), expiry (never; RFC 3339 or milliseconds), concurrentUserLimit,
                  legalHoldHoldCountLimit, id (drawn), issued (now)

Claims of --format splunk, in its own names; only quota is required:
  type            such as \"enterprise\", the default, or \"fixed-sourcetype\"
  group_id        the group of the stack when absent
  stack_id        the type's own stack when absent
  quota           as above
  max_violations  5 when absent, within window_period days, 30 when absent
  label, guid     texts; drawn when absent
  creation_time   seconds since 1970 or RFC 3339; now when absent
  expiration_time the same; absent: never
  features, sourcetypes
                  as above

Claims of format elastic (RSA key), in the product's own keys:
  type            missing, trial, basic, standard, dev, silver, gold, platinum or enterprise
  issued_to, issuer
  max_nodes, or for enterprise max_resource_units
  expiry_date_in_millis or expiry_date; basic may have none
  uid, issue_date_in_millis (or issue_date), start_date_in_millis (or start_date), version (2 to 5): may be absent

Claims of format redis (Ed25519 key), in the product's own keys:
  expiration_date RFC 3339, whole seconds; activation_date: now when absent
  owner, cluster_name, shards_limit, ram_shards_limit, flash_shards_limit, features: may be absent
  issue           a number that counts up; a lower one never replaces a higher one";

const REVOKE_EXAMPLES: &str = "\
Examples:
  quartermaster license revoke 3f2a --yes
  quartermaster license revoke 3f2a --series";

const ADD_EXAMPLES: &str = "\
Examples:
  quartermaster license add acme.lic
  quartermaster license add --dry-run acme.lic
  quartermaster license add licenses/*.lic -o json";

#[derive(Debug, Clone, Copy, ValueEnum)]
pub(super) enum KeyKind {
    /// For our own formats
    Ed25519,
    /// RSA-2048, for Elasticsearch's layout
    Rsa,
}

#[derive(Debug, Subcommand)]
pub(super) enum LicenseCommand {
    /// Make an issuer's key pair (offline)
    Keygen {
        /// What kind of key
        #[arg(long, default_value = "ed25519")]
        algorithm: KeyKind,
        /// Where the private key goes; must not exist yet
        #[arg(long, value_name = "FILE")]
        out: PathBuf,
        /// Where the public key goes [default: the private key's file and .pub]
        #[arg(long, value_name = "FILE")]
        public: Option<PathBuf>,
    },
    /// Sign a license (offline)
    #[command(before_help = SIGN_EXAMPLES)]
    Sign {
        /// The document's format
        #[arg(long, default_value = "native", value_name = "FORMAT", value_parser = format)]
        format: Format,
        /// The issuer's private key in PKCS#8 PEM
        #[arg(long, value_name = "FILE")]
        key: PathBuf,
        /// What the license says, TOML or JSON, - for standard input
        #[arg(long, value_name = "FILE")]
        claims: PathBuf,
        /// Where the document goes [default: standard output]
        #[arg(long, value_name = "FILE")]
        out: Option<PathBuf>,
    },
    /// Look into a license file (offline); exit code 6 when it is not good
    Inspect {
        /// The document, - for standard input
        file: PathBuf,
        /// Issuer's public key to check the signature with; may be given several times
        #[arg(long, value_name = "FILE")]
        key: Vec<PathBuf>,
    },
    /// Install licenses
    #[command(before_help = ADD_EXAMPLES)]
    Add {
        /// The documents, - for standard input
        #[arg(required = true)]
        files: Vec<PathBuf>,
        /// Only say what would happen
        #[arg(long)]
        dry_run: bool,
    },
    /// Make a license that needs no issuer
    Grant {
        /// splunk_free, splunk_forwarder, splunk_trial, elastic_basic or elastic_trial
        grant: String,
    },
    /// List licenses
    List,
    /// Show a license
    Show {
        /// Its id, or the beginning of it
        id: String,
    },
    /// Remove a license
    Remove {
        /// Its id, or the beginning of it
        id: String,
    },
    /// Revoke a license for ever: it goes, and cannot be installed again
    #[command(before_help = REVOKE_EXAMPLES)]
    Revoke {
        /// Its id, whole if it is not installed
        id: String,
        /// Every issue of it, too, by its issuer's id
        #[arg(long)]
        series: bool,
        /// Do not ask
        #[arg(short, long)]
        yes: bool,
    },
    /// Print a license's document, byte for byte
    Text {
        /// Its id, or the beginning of it
        id: String,
    },
}

const COLUMNS: [Field; 8] = [
    ("ID", "/id", Kind::Short),
    ("LABEL", "/label", Kind::Plain),
    ("FORMAT", "/format", Kind::Plain),
    ("STATE", "/state", Kind::Plain),
    ("STACK", "/terms/0/stack", Kind::Plain),
    ("QUOTA", "/terms/0/quota_bytes", Kind::Bytes),
    ("STARTS", "/starts", Kind::Plain),
    ("EXPIRES", "/expires", Kind::Plain),
];

const FIELDS: [Field; 19] = [
    ("Id", "/id", Kind::Plain),
    ("Label", "/label", Kind::Plain),
    ("Owner", "/owner", Kind::Plain),
    ("Format", "/format", Kind::Plain),
    ("Kind", "/kind", Kind::Plain),
    ("State", "/state", Kind::Plain),
    ("Key", "/key", Kind::Plain),
    ("Issue", "/issue", Kind::Plain),
    ("Created", "/created", Kind::Plain),
    ("Starts", "/starts", Kind::Plain),
    ("Expires", "/expires", Kind::Plain),
    ("Installed", "/installed", Kind::Plain),
    ("Group", "/terms/0/group", Kind::Plain),
    ("Stack", "/terms/0/stack", Kind::Plain),
    ("Quota", "/terms/0/quota_bytes", Kind::Bytes),
    ("Max violations", "/terms/0/max_violations", Kind::Plain),
    ("Window in days", "/terms/0/window_days", Kind::Plain),
    ("Features", "/terms/0/features", Kind::Plain),
    ("Sourcetypes", "/terms/0/sourcetypes", Kind::Plain),
];

impl LicenseCommand {
    pub(super) async fn run(self, context: &Context) -> Result<(), Failure> {
        match self {
            LicenseCommand::Keygen { algorithm, out, public } => keygen(context, algorithm, out, public),
            LicenseCommand::Sign { format, key, claims, out } => {
                let key = SigningKey::from_pem(&files::read_text(&key, KEY_BYTES)?)?;
                let claims = files::read_text(&claims, DOCUMENT_BYTES)?;
                let claims = ClaimsFile::parse(&claims).map_err(|problem| Failure::usage(problem.to_string()))?;
                let document = signing::sign(format, &key, claims, now())?;
                match out {
                    Some(path) => files::write(&path, document.as_bytes()),
                    None => context.out.text(&document),
                }
            }
            LicenseCommand::Inspect { file, key } => inspect(context, file, key),
            LicenseCommand::Add { files, dry_run } => add(context, files, dry_run).await,
            LicenseCommand::Grant { grant } => {
                let request = Request::post(["grants"]).json(&json!({ "grant": grant }));
                context.out.one(&context.client.connect()?.send(request).await?.json()?, &FIELDS)
            }
            LicenseCommand::List => {
                let reply = context.client.connect()?.send(Request::get(["licenses"]).query("all", true)).await?;
                context.out.list(&reply.json()?, &COLUMNS)
            }
            LicenseCommand::Show { id } => {
                let client = context.client.connect()?;
                let id = whole_id(&client, id).await?;
                context.out.one(&client.send(Request::get(["licenses".to_owned(), id])).await?.json()?, &FIELDS)
            }
            LicenseCommand::Remove { id } => {
                let client = context.client.connect()?;
                let id = whole_id(&client, id).await?;
                client.send(Request::delete(["licenses".to_owned(), id.clone()])).await?;
                context.out.say(&format!("removed license {id}"));
                Ok(())
            }
            LicenseCommand::Revoke { id, series, yes } => {
                let client = context.client.connect()?;
                let id = whole_id(&client, id).await?;
                ask::sure(&format!("revoke license {id} for ever?"), yes)?;
                let path = ["licenses".to_owned(), id.clone(), "revoke".to_owned()];
                client.send(Request::post(path).query("series", series)).await?;
                context.out.say(&format!("revoked license {id}"));
                Ok(())
            }
            LicenseCommand::Text { id } => {
                let client = context.client.connect()?;
                let id = whole_id(&client, id).await?;
                let request = Request::get(["licenses".to_owned(), id, "text".to_owned()]).accept("text/plain");
                context.out.text(&client.send(request).await?.text())
            }
        }
    }
}

fn format(text: &str) -> Result<Format, String> {
    let known = FORMATS.iter().find(|(name, _)| *name == text).map(|(_, format)| *format);
    let names = FORMATS.map(|(name, _)| name).join(", ");
    known.ok_or_else(|| format!("no such format; there are {names}"))
}

fn keygen(context: &Context, kind: KeyKind, out: PathBuf, public: Option<PathBuf>) -> Result<(), Failure> {
    let algorithm = match kind {
        KeyKind::Ed25519 => Algorithm::Ed25519,
        KeyKind::Rsa => Algorithm::Rsa2048,
    };
    let public = public.unwrap_or_else(|| {
        let mut name = out.clone().into_os_string();
        name.push(".pub");
        name.into()
    });
    let key = SigningKey::generate(algorithm)?;
    let half = key.public()?;
    files::write_new(&public, half.to_pem().as_bytes(), false)?;
    files::write_new(&out, key.to_pem()?.as_bytes(), true)?;
    let made = json!({ "id": half.id().as_ref(), "private_key_file": out, "public_key_file": public });
    let fields: [Field; 3] = [
        ("Id", "/id", Kind::Plain),
        ("Private key", "/private_key_file", Kind::Plain),
        ("Public key", "/public_key_file", Kind::Plain),
    ];
    context.out.one(&made, &fields)?;
    context.out.say("keep the private key offline; trust the public one: quartermaster key trust FILE");
    Ok(())
}

fn inspect(context: &Context, file: PathBuf, key_files: Vec<PathBuf>) -> Result<(), Failure> {
    let text = files::read_text(&file, DOCUMENT_BYTES)?;
    let keys = key_files.iter().map(|path| key::read_public(path, None)).collect::<Result<Vec<_>, Failure>>()?;
    let keys = keys.into_iter().map(|key| (key.id.clone(), key)).collect();
    let verdict = signing::inspect(&text, &keys)?;
    let seen = verdict_json(&file.display().to_string(), &verdict, now());
    const HEAD: [Field; 5] = [
        ("Source", "/source", Kind::Plain),
        ("Format", "/format", Kind::Plain),
        ("Key", "/key", Kind::Plain),
        ("Signature", "/signature", Kind::Plain),
        ("Problem", "/problem", Kind::Plain),
    ];
    let mut fields: Vec<Field> = HEAD.to_vec();
    fields.extend(FIELDS.iter().filter(|(head, ..)| !matches!(*head, "Key" | "Format")));
    fields.push(("Verdict", "/verdict", Kind::Plain));
    context.out.one(&seen, &fields)?;
    match verdict.signature {
        Signature::Valid { .. } | Signature::NotChecked if verdict.license.is_ok() => Ok(()),
        _ => Err(Failure::refused("this license would not be taken")),
    }
}

fn verdict_json(source: &str, verdict: &Verdict, now: Moment) -> Value {
    let mut seen = verdict.license.as_ref().map_or_else(|_| json!({}), license_json);
    seen["source"] = source.into();
    seen["format"] = signing::format_name(verdict.format).into();
    seen["key"] = verdict.key.as_ref().into();
    seen["signature"] = match &verdict.signature {
        Signature::Valid { label } => format!("valid, by {label}").into(),
        Signature::Invalid => "not valid: the document was changed".into(),
        Signature::NotChecked => "not checked: give the issuer's public key with --key".into(),
    };
    seen["verdict"] = match (&verdict.signature, &verdict.license) {
        (Signature::Invalid, _) | (_, Err(_)) => "license is not valid".into(),
        (signature, Ok(license)) => {
            let whether = if *signature == Signature::NotChecked { "license may be valid" } else { "license is valid" };
            format!("{whether}, {}", when(license, now)).into()
        }
    };
    if let Err(problem) = &verdict.license {
        seen["problem"] = problem.to_string().into();
    }
    seen
}

fn when(license: &License, now: Moment) -> String {
    if license.expires <= now {
        format!("expired {} ago", print::distance(license.expires, now))
    } else if license.starts > now {
        format!("not yet active, starts in {}", print::distance(now, license.starts))
    } else if license.expires == NEVER {
        "active, without an end".to_owned()
    } else {
        format!("active, ends in {}", print::distance(now, license.expires))
    }
}

/// A license that no cluster has seen, in the API's field names.
fn license_json(license: &License) -> Value {
    let words = |names: &Set<Name>| names.iter().map(ToString::to_string).collect::<Vec<String>>();
    let terms = license.terms.iter().map(|term| match term {
        Term::Meter(meter) => json!({
            "group": meter.group.as_ref(),
            "stack": meter.stack.as_ref(),
            "quota_bytes": meter.quota_bytes,
            "max_violations": meter.max_violations,
            "window_days": meter.window_days,
            "features": words(&meter.features),
            "sourcetypes": words(&meter.sourcetypes),
        }),
        Term::Accounts(grant) => json!({
            "accounts": grant.seats,
            "soft_accounts": grant.soft_seats,
            "hard_expiration": grant.hard_expiration,
            "hard_delete": grant.hard_delete,
            "notice": grant.notice.as_ref(),
            "notice_on_expire": grant.notice_on_expire.as_ref(),
        }),
        Term::SeatLimits(limits) => json!({
            "limits_of": limits.product.as_ref(),
            "users": limits.users,
            "legal_holds": limits.holds,
        }),
        Term::Seats(grant) => json!({
            "seats": grant.product.as_ref(),
            "description": grant.description.as_ref(),
            "count": grant.count,
            "workers": grant.workers,
            "can_choose_workers": grant.can_choose_workers,
            "audited": grant.audited,
            "audit_threshold_bytes": grant.audit_threshold_bytes,
        }),
        Term::Level(level) => json!({ "level": level.level.as_ref(), "limit": level.limit }),
        Term::Features(features) => json!({ "features": words(features) }),
        Term::Cluster(cluster) => json!({ "cluster": cluster.as_ref() }),
        Term::Issue(issue) => json!({ "series": issue.series.as_ref(), "number": issue.number }),
    });
    json!({
        "id": hex(&license.id),
        "label": license.label.as_ref(),
        "owner": license.owner.as_ref(),
        "kind": license.kind.as_ref(),
        "issue": license.issue.as_ref(),
        "created": print::moment(license.created),
        "starts": print::moment(license.starts),
        "expires": (license.expires != NEVER).then(|| print::moment(license.expires)),
        "terms": terms.collect::<Vec<Value>>(),
    })
}

async fn add(context: &Context, files: Vec<PathBuf>, dry_run: bool) -> Result<(), Failure> {
    let client = context.client.connect()?;
    let bar = print::bar(files.len() as u64, "installing");
    let mut added = Vec::new();
    let mut failed: Vec<(PathBuf, Failure)> = Vec::new();
    for file in files {
        match add_one(&client, &file, dry_run).await {
            Ok(license) => added.push(license),
            // the others may well be good, but without a cluster or a right none of them is
            Err(failure) if matches!(failure.exit, Exit::Refused | Exit::Usage) => failed.push((file, failure)),
            Err(failure) => return Err(failure),
        }
        bar.inc(1);
    }
    bar.finish_and_clear();
    let whole = match added.as_slice() {
        [one] if failed.is_empty() => one.clone(),
        _ => json!({ "items": added }),
    };
    if !added.is_empty() {
        context.out.either(&whole, || print::table(&added, &COLUMNS))?;
    }
    for license in &added {
        let did = if dry_run { "would add" } else { "added" };
        context.out.say(&format!("{did} {}", entitles(license)));
    }
    let several = failed.len() > 1;
    match failed.pop() {
        None => Ok(()),
        Some((_, failure)) if !several && added.is_empty() => Err(failure),
        Some((file, last)) => {
            for (file, failure) in failed.into_iter().chain([(file, last.clone())]) {
                context.out.say(&format!("{}: {}", file.display(), failure.to_string().trim_end()));
            }
            Err(Failure { exit: last.exit, ..Failure::refused("not all licenses were added") })
        }
    }
}

/// What a license adds, in a few words.
fn entitles(license: &Value) -> String {
    let cell = |path: &str| print::cell(license.pointer(path), Kind::Plain);
    match license.pointer("/terms/0/quota_bytes").and_then(Value::as_u64) {
        Some(quota) => format!("{} a day to stack {}", quantity::human(quota), cell("/terms/0/stack")),
        None => format!("a license of format {}, type {}", cell("/format"), cell("/kind")),
    }
}

async fn add_one(client: &Client, file: &std::path::Path, dry_run: bool) -> Result<Value, Failure> {
    let document = files::read(file, DOCUMENT_BYTES)?;
    let mut request = Request::post(["licenses"]).body("text/plain; charset=utf-8", document);
    if dry_run {
        request = request.query("dry_run", true);
    }
    Ok(client.send(request).await?.json()?)
}

/// Hex digits of a whole id.
const ID_DIGITS: usize = 64;

/// The id that begins like this, of the licenses that there are.
async fn whole_id(client: &Client, id: String) -> Result<String, Failure> {
    let id = id.to_lowercase();
    if id.len() >= ID_DIGITS {
        return Ok(id);
    }
    let all = client.send(Request::get(["licenses"]).query("all", true)).await?.json()?;
    let items = all["items"].as_array().map(Vec::as_slice).unwrap_or_default();
    let mut fitting = items.iter().filter_map(|item| item["id"].as_str()).filter(|whole| whole.starts_with(&id));
    match (fitting.next(), fitting.next()) {
        (Some(one), None) => Ok(one.to_owned()),
        (Some(_), Some(_)) => Err(Failure::usage(format!("several licenses begin with {id}; give more digits"))),
        (None, _) => Ok(id),
    }
}
