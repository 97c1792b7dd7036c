//! docs/faults.md has the table of the cases, as it is.

use std::fmt::Write;
use std::{env, fs};

use crate::support::root;
use crate::table::{GROUPS, Windows};

/// Between these lines stands what is made here.
const BEGIN: &str =
    "<!-- The table of tests/faults/table.rs: FAULTS_WRITE_DOCS=1 cargo test -p tests --test faults -->\n";
const END: &str = "<!-- end of the table -->\n";

fn table() -> String {
    let mut text = String::new();
    for group in GROUPS {
        let mut line = |args: std::fmt::Arguments<'_>| writeln!(text, "{args}").unwrap();
        line(format_args!("\n### {}\n", group.title));
        line(format_args!("| | what happens | what comes of it | on Windows |\n|--:|---|---|---|"));
        for case in group.cases {
            let windows = match case.windows {
                Windows::Same => "the same".to_owned(),
                Windows::Outcome(outcome) => outcome.to_owned(),
                Windows::Excluded(why) => format!("not tried: {why}"),
            };
            line(format_args!("| {} | {} | {} | {windows} |", case.number, case.title, case.outcome));
        }
    }
    text + "\n"
}

/// Compares the document with the table, or writes it.
pub(crate) fn check() {
    let path = root().join("docs/faults.md");
    let text = fs::read_to_string(&path).unwrap();
    let (before, rest) = text.split_once(BEGIN).expect("docs/faults.md has the first line of the table");
    let (found, after) = rest.split_once(END).expect("docs/faults.md has the last line of the table");
    let expected = table();
    if env::var_os("FAULTS_WRITE_DOCS").is_some() {
        fs::write(&path, format!("{before}{BEGIN}{expected}{END}{after}")).unwrap();
    } else {
        assert!(found == expected, "docs/faults.md is not as the table: write it with FAULTS_WRITE_DOCS=1");
    }
}
