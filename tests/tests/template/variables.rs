//! What the router is told: everything that it asks for, and nothing else.

use std::cell::RefCell;
use std::collections::BTreeSet;

use lambdas::settings::Settings;

use super::given::Template;

#[test]
fn the_router_is_told_what_it_asks_for_and_nothing_else() {
    let Some(template) = Template::translated() else { return };
    let set =
        template.resource("RouterFunction")["Environment"]["Variables"].as_object().expect("its variables");
    let set: BTreeSet<&str> = set.keys().map(String::as_str).collect();
    let asked = RefCell::new(BTreeSet::new());
    let settings = Settings::read(|name| {
        asked.borrow_mut().insert(name.to_owned());
        // One variable is a word, all others may be any text.
        let value = if name == "TASK_PUBLIC_IP" { "ENABLED" } else { "1" };
        set.contains(name).then(|| value.to_owned())
    });
    assert!(settings.is_ok(), "the router would not start: {settings:?}");
    let asked = asked.into_inner();
    assert_eq!(set, asked.iter().map(String::as_str).collect::<BTreeSet<_>>());
}
