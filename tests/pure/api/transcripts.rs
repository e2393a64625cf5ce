//! Golden transcripts: a request, then its reply, byte for byte. `UPDATE=1` rewrites them; the diff is the review.
//!
//! A file is a story told to one fresh cluster. Blocks end with `===`; in a block the request stands above `---`. A line
//! `@ TIME` before a request sets the clock, `# ` begins a comment. Requests come from the administrator unless they
//! say `Authorization:` themselves. What is random is written as what it is: `TOKEN`, and in a request `TOKEN` stands
//! for the last one that was answered, `LICENSE(STACK)` for a document that the test's own issuer signed, and
//! `SIGNED(FORMAT CLAIM; CLAIM)` for one of another format, `FORM_LICENSE(STACK)` for the former as a form's value,
//! `FUNCTION1` for the first function that was started.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use hyper::HeaderMap;
use hyper::header::HeaderName;
use quartermaster::domain::license::Format;
use quartermaster::domain::time::Moment;
use quartermaster::domain::trust::Algorithm;
use quartermaster::signing::FORMATS;
use quartermaster::signing::claims::ClaimsFile;
use quartermaster::signing::keys::SigningKey;

use super::fixture::{BEGIN, Cluster, PASSWORD, basic, stamp};

const ISSUER: &str = include_str!("../../dialects/issuer.pem");

#[test]
fn every_transcript_still_reads_the_same() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/dialects");
    let entries = |folder: &Path| -> Vec<PathBuf> {
        std::fs::read_dir(folder).expect("is there").map(|entry| entry.expect("reads").path()).collect()
    };
    let dialects: Vec<_> = entries(&folder).into_iter().filter(|path| path.is_dir()).collect();
    let mut files: Vec<_> = dialects.iter().flat_map(|folder| entries(folder)).collect();
    files.retain(|file| file.extension().is_some_and(|extension| extension == "http"));
    files.sort();
    for dialect in &dialects {
        assert!(files.iter().any(|file| file.starts_with(dialect)), "{} has no transcripts", dialect.display());
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("starts");
    for file in files {
        runtime.block_on(check(&file));
    }
}

async fn check(file: &Path) {
    let wanted = std::fs::read_to_string(file).expect("is text");
    let mut teller = Teller { cluster: Cluster::new(), token: String::new(), functions: Vec::new() };
    if file.parent().is_some_and(|folder| folder.ends_with("elastic")) {
        teller.cluster.begin();
    }
    let mut found = String::new();
    for block in wanted.split_inclusive("===\n") {
        found.push_str(&teller.tell(block.strip_suffix("===\n").unwrap_or(block)).await);
    }
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(file, &found).expect("can be written");
        return;
    }
    if wanted != found {
        let at = wanted.lines().zip(found.lines()).position(|(wanted, found)| wanted != found).unwrap_or(0);
        let near = |text: &str| text.lines().skip(at.saturating_sub(3)).take(8).collect::<Vec<_>>().join("\n");
        panic!(
            "{} differs at line {}:\n--- wanted\n{}\n--- found\n{}",
            file.display(),
            at + 1,
            near(&wanted),
            near(&found)
        );
    }
}

struct Teller {
    cluster: Cluster,
    token: String,
    functions: Vec<String>,
}

impl Teller {
    /// Plays one block; gives it back with the reply that came.
    async fn tell(&mut self, block: &str) -> String {
        let request = block.split("---\n").next().unwrap_or("");
        if request.trim().is_empty() {
            return request.to_owned();
        }
        let mut lines = request.lines().peekable();
        while let Some(line) = lines.next_if(|line| line.starts_with('#') || line.starts_with('@') || line.is_empty()) {
            if let Some(time) = line.strip_prefix("@ ") {
                let time = chrono::DateTime::parse_from_rfc3339(time).expect("is a time").timestamp_millis();
                self.cluster.solo.set_time(stamp(u64::try_from(time).expect("is after 1970")));
            }
        }
        let (method, target) = lines.next().and_then(|line| line.split_once(' ')).expect("begins with METHOD TARGET");
        let target = self.filled(target);
        let mut headers = HeaderMap::new();
        for line in lines.by_ref().take_while(|line| !line.is_empty()) {
            let (name, value) = line.split_once(": ").expect("is a header");
            let value = self.filled(value);
            headers.append(
                HeaderName::from_bytes(name.as_bytes()).expect("is a name"),
                value.parse().expect("is a value"),
            );
        }
        headers.entry("x-request-id").or_insert_with(|| "r1".parse().expect("is a value"));
        match headers.get("authorization").and_then(|value| value.to_str().ok()) {
            None => {
                headers.insert("authorization", basic("admin", PASSWORD).parse().expect("is a value"));
            }
            Some("none") => {
                headers.remove("authorization");
            }
            Some(_) => {}
        }
        let body = self.filled(&lines.collect::<Vec<_>>().join("\n"));
        let (reply, text) = self.cluster.ask(method, &target, headers, &body).await;
        let mut told = format!("{request}---\n{}\n", reply.status.as_u16());
        for (name, value) in &reply.headers {
            writeln!(told, "{name}: {}", value.to_str().expect("is text")).expect("a string takes it");
        }
        let told = self.hidden(&told);
        format!("{told}\n{}===\n", ended(self.hidden(&text)))
    }

    /// A request with what the story has brought about.
    fn filled(&mut self, text: &str) -> String {
        let mut text = super::signed::filled(&text.replace("TOKEN", &self.token));
        for (number, key) in (1..).zip(&self.functions) {
            text = text.replace(&format!("FUNCTION{number}"), key);
        }
        if text.contains("PUBLIC_KEY") {
            text = text.replace("PUBLIC_KEY", &public_key().replace('\n', "\\n"));
        }
        for (word, write) in [("FORM_LICENSE(", form_value as fn(&str) -> String), ("LICENSE(", str::to_owned)] {
            while let Some(begin) = text.find(word) {
                let end = begin + text[begin..].find(')').expect("is closed");
                let stack = text[begin + word.len()..end].to_owned();
                text.replace_range(begin..=end, &write(&license(&stack)));
            }
        }
        while let Some(begin) = text.find("SIGNED(") {
            let end = begin + text[begin..].find(')').expect("is closed");
            let signed = signed(&text[begin + 7..end]);
            text.replace_range(begin..=end, signed.trim_end());
        }
        text
    }

    /// A reply without what is random.
    fn hidden(&mut self, text: &str) -> String {
        let known = "\"functionKey\":\"";
        for (at, _) in text.match_indices(known) {
            let key = text[at + known.len()..].split('"').next().expect("is closed").to_owned();
            if !self.functions.contains(&key) {
                self.functions.push(key);
            }
        }
        let numbered = (1..).zip(&self.functions);
        let text =
            numbered.fold(text.to_owned(), |text, (number, key)| text.replace(key, &format!("FUNCTION{number}")));
        let is_part = |letter: char| letter.is_ascii_alphanumeric() || "-_".contains(letter);
        let tokens = text.match_indices("qm_").map(|(begin, _)| &text[begin..]);
        let tokens = tokens.map(|rest| &rest[..rest.find(|letter| !is_part(letter)).unwrap_or(rest.len())]);
        let token = tokens.filter(|token| token.len() == "qm_".len() + 43).last().map(str::to_owned);
        let Some(token) = token else { return text };
        let text = text.replace(&token, "TOKEN");
        self.token = token;
        text
    }
}

/// A body that ends with its line: not every language's does, and the next block begins on a line of its own.
fn ended(mut text: String) -> String {
    if !text.is_empty() && !text.ends_with('\n') {
        text.push('\n');
    }
    text
}

/// A text as the value of a form's field.
pub(super) fn form_value(text: &str) -> String {
    text.bytes().fold(String::new(), |mut out, byte| {
        if byte.is_ascii_alphanumeric() {
            out.push(char::from(byte));
        } else {
            write!(out, "%{byte:02X}").expect("a string takes it");
        }
        out
    })
}

/// The test issuer's public key.
pub(super) fn public_key() -> String {
    SigningKey::from_pem(ISSUER).and_then(|key| key.public()).expect("is a key").to_pem()
}

/// A license of 1 GB a day for a stack; `STACK SIZE` for another size, `xml TYPE` for one in Splunk's own format,
/// `seats TYPE COUNT WORKERS` for one of seats.
pub(super) fn license(words: &str) -> String {
    let key = SigningKey::from_pem(ISSUER).expect("is a key");
    if let Some(kind) = words.strip_prefix("xml ") {
        let guid = "7B1F0E1C-9E0A-4C39-8F11-1D2E3F405162";
        let claims = format!("type = \"{kind}\"\nquota = \"10GB\"\nguid = \"{guid}\"\nlabel = \"Example <Corp>\"\n");
        let claims = ClaimsFile::parse(&claims).expect("are claims");
        return quartermaster::signing::sign(Format::Splunk, &key, claims, Moment(BEGIN)).expect("can be signed");
    }
    if let ["seats", product, count, workers] = words.split(' ').collect::<Vec<_>>()[..] {
        let claims = format!(
            "id = \"5f0c2f3e-8d0e-4a55-9d70-0d8b3c1f6a02\"\nlabel = \"seats\"\n[[seats]]\ntype = \"{product}\"\n\
             description = \"Review\"\ncount = {count}\nworkers = {workers}\n"
        );
        let claims = ClaimsFile::parse(&claims).expect("are claims");
        return quartermaster::signing::sign(Format::Native, &key, claims, Moment(BEGIN)).expect("can be signed");
    }
    let (stack, quota) = words.split_once(' ').unwrap_or((words, "1GB"));
    let claims = format!(
        "id = \"5f0c2f3e-8d0e-4a55-9d70-0d8b3c1f6a01\"\ngroup = \"Enterprise\"\nstack = \"{stack}\"\nquota = \"{quota}\"\n\
         label = \"test\"\nowner = \"Example Corp\"\n"
    );
    let claims = ClaimsFile::parse(&claims).expect("are claims");
    quartermaster::signing::sign(Format::Native, &key, claims, Moment(BEGIN)).expect("can be signed")
}

/// A document of `FORMAT CLAIM; CLAIM`, the claims in TOML.
pub(super) fn signed(words: &str) -> String {
    let (format, claims) = words.split_once(' ').expect("a format and claims");
    let format = FORMATS.iter().find(|(name, _)| *name == format).expect("is a format").1;
    let claims = ClaimsFile::parse(&claims.replace("; ", "\n")).expect("are claims");
    let key = SigningKey::from_pem(ISSUER).expect("is a key");
    quartermaster::signing::sign(format, &key, claims, Moment(BEGIN)).expect("can be signed")
}

#[test]
fn the_transcripts_issuer_signs_with_ed25519() {
    let key = SigningKey::from_pem(ISSUER).expect("is a key");
    assert_eq!(key.public().expect("has a public half").algorithm, Algorithm::Ed25519);
}
