//! Plugins that fail: a panic is an error of one call, a crash one of all calls of that plugin.

use crate::cases::{Bystander, crash, start};
use crate::support::in_time;

#[test]
fn panics_fail_one_call() {
    in_time("panics", crash::panics);
}

#[test]
fn crashes_fail_all_calls_of_the_plugin() {
    in_time("crashes", || {
        let bystander = Bystander::launch();
        for (mishap, status, says) in crash::ENDS {
            crash::end(*mishap, *status, says);
            bystander.check();
        }
        bystander.leave();
    });
}

#[test]
fn crashes_before_hello() {
    in_time("crashes before hello", start::crash_before_hello);
}

#[test]
fn children_of_a_plugin_end_with_it_unless_they_left() {
    in_time("children", crash::children);
}

#[test]
fn a_method_that_hangs() {
    in_time("a method that hangs", crash::hang);
}
