//! Asking people: secrets without an echo, and whether they are sure. Never when nobody is there to answer.

use std::io::{IsTerminal as _, Read as _, Write as _};
use std::path::Path;

use rustix::termios::{LocalModes, OptionalActions, Termios, tcgetattr, tcsetattr};

use super::Failure;
use crate::client::Secret;

/// Largest file that is read as a secret, in bytes: a wrong file name must not fill the memory.
const SECRET_BYTES: u64 = 16 << 10;

/// The secret in a file, `-` for standard input.
pub(super) fn secret_of(path: &Path, what: &str) -> Result<Secret, Failure> {
    let failed = |why: String| Failure::usage(format!("no {what} from {}: {why}", path.display()));
    let mut bytes = Vec::new();
    let read = if path == Path::new("-") {
        std::io::stdin().lock().take(SECRET_BYTES + 1).read_to_end(&mut bytes)
    } else {
        std::fs::File::open(path).and_then(|file| file.take(SECRET_BYTES + 1).read_to_end(&mut bytes))
    };
    match read {
        Err(error) => Err(failed(error.to_string())),
        Ok(length) if length as u64 > SECRET_BYTES => Err(failed(format!("longer than {SECRET_BYTES} bytes"))),
        Ok(_) => match String::from_utf8(bytes) {
            Ok(text) if text.trim().is_empty() => Err(failed("it is empty".to_owned())),
            Ok(text) => Ok(Secret::new(&text)),
            Err(_) => Err(failed("it is no UTF-8 text".to_owned())),
        },
    }
}

/// A secret from a file, or else from a prompt, asked twice so that a slip of the finger locks nobody out.
pub(super) fn new_secret(path: Option<&Path>, what: &str, flag: &str) -> Result<Secret, Failure> {
    if let Some(path) = path {
        return secret_of(path, what);
    }
    let first = hidden(&format!("new {what}: "), flag)?;
    let second = hidden(&format!("new {what} again: "), flag)?;
    if first == second { Ok(first) } else { Err(Failure::usage("the two were not the same")) }
}

/// Asks for a secret on the terminal. `flag` is what gives it when there is no terminal.
pub(super) fn hidden(prompt: &str, flag: &str) -> Result<Secret, Failure> {
    let stdin = std::io::stdin();
    if !stdin.is_terminal() {
        return Err(Failure::usage("nobody is there to be asked for the password").hint(format!("give {flag}")));
    }
    let failed = |error: std::io::Error| Failure::failed(format!("the terminal cannot be read: {error}"));
    write(prompt).map_err(failed)?;
    let quiet = Quiet::begin().map_err(failed)?;
    let mut line = String::new();
    let read = stdin.read_line(&mut line);
    drop(quiet);
    write("\n").map_err(failed)?;
    read.map_err(failed)?;
    if line.trim().is_empty() { Err(Failure::usage("nothing was typed")) } else { Ok(Secret::new(&line)) }
}

/// Whether it shall really be done.
pub(super) fn sure(question: &str, yes: bool) -> Result<(), Failure> {
    if yes {
        return Ok(());
    }
    let stdin = std::io::stdin();
    if !stdin.is_terminal() {
        return Err(Failure::usage(format!("not done: {question}")).hint("say --yes to do it without a question"));
    }
    let failed = |error: std::io::Error| Failure::failed(format!("the terminal cannot be read: {error}"));
    write(&format!("{question} [y/N] ")).map_err(failed)?;
    let mut line = String::new();
    stdin.read_line(&mut line).map_err(failed)?;
    match line.trim().to_lowercase().as_str() {
        "y" | "yes" => Ok(()),
        _ => Err(Failure::usage("not done")),
    }
}

fn write(text: &str) -> std::io::Result<()> {
    let mut out = std::io::stderr().lock();
    out.write_all(text.as_bytes())?;
    out.flush()
}

/// The terminal without its echo, until dropped.
struct Quiet {
    before: Termios,
}

impl Quiet {
    fn begin() -> std::io::Result<Quiet> {
        let before = tcgetattr(std::io::stdin())?;
        let mut quiet = before.clone();
        quiet.local_modes.remove(LocalModes::ECHO);
        tcsetattr(std::io::stdin(), OptionalActions::Now, &quiet)?;
        Ok(Quiet { before })
    }
}

impl Drop for Quiet {
    fn drop(&mut self) {
        if tcsetattr(std::io::stdin(), OptionalActions::Now, &self.before).is_err() {
            super::print::say("the terminal kept its echo off: type `stty echo`");
        }
    }
}
