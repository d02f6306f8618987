//! What the functions are told: everything that they ask for, and nothing else.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::fmt::Debug;

use lambdas::{settings, watcher};

use super::given::Template;

#[test]
fn the_router_is_told_what_it_asks_for_and_nothing_else() {
    is_told_what_it_asks_for("RouterFunction", |get| settings::Settings::read(get));
}

#[test]
fn the_watcher_is_told_what_it_asks_for_and_nothing_else() {
    is_told_what_it_asks_for("WatcherFunction", |get| watcher::settings::Settings::read(get));
}

fn is_told_what_it_asks_for<S: Debug>(
    function: &str,
    read: impl FnOnce(&dyn Fn(&str) -> Option<String>) -> Result<S, String>,
) {
    let Some(template) = Template::translated() else { return };
    let set = template.resource(function)["Environment"]["Variables"].as_object().expect("its variables");
    let set: BTreeSet<&str> = set.keys().map(String::as_str).collect();
    let asked = RefCell::new(BTreeSet::new());
    let settings = read(&|name: &str| {
        asked.borrow_mut().insert(name.to_owned());
        // One variable is a word, all others may be any text.
        let value = if name == "TASK_PUBLIC_IP" { "ENABLED" } else { "1" };
        set.contains(name).then(|| value.to_owned())
    });
    assert!(settings.is_ok(), "{function} would not start: {settings:?}");
    let asked = asked.into_inner();
    assert_eq!(set, asked.iter().map(String::as_str).collect::<BTreeSet<_>>());
}
