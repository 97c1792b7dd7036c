//! The store of the tests, in a process of its own.

fn main() -> std::process::ExitCode {
    tests::starts::begin();
    plugin_core::serve(tests::store::Memory::default())
}
