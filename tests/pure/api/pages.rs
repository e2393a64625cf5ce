//! The page of a dialect lists exactly the routes that its code has.

use std::collections::BTreeSet;
use std::path::Path;

use quartermaster::dialect::immuta;

/// Method and path of each row of a page's table of routes.
fn listed(dialect: &str) -> BTreeSet<(String, String)> {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("docs/dialects/{dialect}.md"));
    let text = std::fs::read_to_string(&page).unwrap_or_else(|error| panic!("{}: {error}", page.display()));
    let cells = |line: &str| {
        let mut cells = line.strip_prefix("| ")?.split(" | ");
        let (method, path) = (cells.next()?, cells.next()?.strip_prefix('`')?.strip_suffix('`')?);
        let known = ["GET", "PUT", "POST", "DELETE"].contains(&method) && path.starts_with('/');
        known.then(|| (method.to_owned(), path.to_owned()))
    };
    text.lines().filter_map(cells).collect()
}

fn rows(routes: impl Iterator<Item = (&'static str, &'static str)>) -> BTreeSet<(String, String)> {
    routes.map(|(method, path)| (method.to_owned(), path.to_owned())).collect()
}

#[test]
fn the_pages_list_the_routes_that_there_are() {
    let code = rows(immuta::endpoint::ROUTES.iter().map(|route| (route.method, route.path)));
    assert!(code.len() > 5);
    assert_eq!(listed("immuta"), code);
}
