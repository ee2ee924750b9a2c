//! docs/instructions.md is what the emulator's own tables say.

use std::fs;
use std::path::Path;

use dr7::instructions::{Support, show, table};

#[test]
fn the_page_is_up_to_date() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/instructions.md");
    let page = fs::read_to_string(path).unwrap();
    let now = show::markdown(&table());
    let line = page.lines().zip(now.lines()).position(|(page, now)| page != now);
    assert!(
        page == now,
        "write docs/instructions.md again with `dr7 instructions --markdown` (line {:?} differs)",
        line.map(|line| line + 1)
    );
}

#[test]
fn every_form_of_a_model_is_built_or_says_why() {
    let table = table();
    assert!(table.len() > 4000, "{} forms", table.len());
    let compared = table.iter().filter(|entry| entry.support == Support::Compared).count();
    assert!(compared > 1900, "{compared} forms are compared");
}
