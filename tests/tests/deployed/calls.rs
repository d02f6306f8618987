//! Messages that become calls.

use tests::cloud::in_the_cloud;
use tests::scenarios::calls;

#[test]
fn a_message_becomes_a_call_that_both_sides_hear() {
    in_the_cloud(calls::a_message_becomes_a_call_that_both_sides_hear);
}

#[test]
fn somebody_who_is_busy_is_not_called_again() {
    in_the_cloud(calls::somebody_who_is_busy_is_not_called_again);
}

#[test]
fn what_the_network_refused_is_not_called_again() {
    in_the_cloud(calls::what_the_network_refused_is_not_called_again);
}

#[test]
fn the_same_message_twice_is_one_call() {
    in_the_cloud(calls::the_same_message_twice_is_one_call);
}

#[test]
fn a_country_that_was_added_a_minute_ago_is_called() {
    in_the_cloud(calls::a_country_that_was_added_a_minute_ago_is_called);
}
