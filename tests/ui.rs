//! What the compiler says to the authors of interfaces: a file per mistake, and one per thing that works.

use std::process::Command;

/// The compiler whose words stand in the `.stderr` files: other versions say the same in other ones.
const COMPILER: &str = "rustc 1.95.";

#[test]
#[cfg_attr(windows, ignore = "the compiler says the same on each system")]
fn ui() {
    let cases = trybuild::TestCases::new();
    cases.pass("ui/pass/*.rs");
    if compiler().starts_with(COMPILER) {
        cases.compile_fail("ui/*.rs");
    } else {
        println!("the messages are not compared: this is {}, not {COMPILER}", compiler());
    }
}

fn compiler() -> String {
    #[expect(clippy::disallowed_methods, reason = "it is not a plugin")]
    let output = Command::new("rustc").arg("--version").output();
    String::from_utf8(output.expect("cargo runs rustc, too").stdout).expect("versions are ASCII")
}
