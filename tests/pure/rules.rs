//! The golden scripts of `tests/rules`: one behaviour a file, readable by whoever knows what a license is.
//! `UPDATE=1` writes what comes out; review it as a diff.

use std::fs;
use std::path::Path;

use crate::script::Script;

#[test]
fn every_script_in_tests_rules_gives_what_it_says() {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/rules");
    let mut paths: Vec<_> =
        fs::read_dir(&dir).expect("the scripts are there").map(|entry| entry.expect("a file").path()).collect();
    paths.sort();
    assert!(paths.len() >= 10, "the scripts are there");
    let mut wrong = Vec::new();
    for path in paths {
        let said = fs::read_to_string(&path).expect("a script is text");
        let given =
            goldenscript::generate(&mut Script::new(), &said).unwrap_or_else(|error| panic!("{path:?}: {error}"));
        if std::env::var_os("UPDATE").is_some() {
            fs::write(&path, given).expect("a script is written");
        } else if said != given {
            wrong.push(format!("{}:\n{}", path.display(), difference(&said, &given)));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// The first lines that differ.
fn difference(said: &str, given: &str) -> String {
    let line = said.lines().zip(given.lines()).take_while(|(said, given)| said == given).count();
    let from = |text: &str| text.lines().skip(line).take(8).collect::<Vec<_>>().join("\n");
    format!("line {}, expected:\n{}\ngiven:\n{}", line + 1, from(said), from(given))
}
