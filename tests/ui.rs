//! What the compiler says to the authors of interfaces: a file per mistake, and one per thing that works.

/// The texts of the compiler itself differ between its versions: they are those of the stable one in use.
#[test]
fn ui() {
    let cases = trybuild::TestCases::new();
    cases.pass("ui/pass/*.rs");
    cases.compile_fail("ui/*.rs");
}
