//! Runs the fuzz targets that need the inside of this crate on their seeds, without libFuzzer.

use std::path::Path;

#[path = "../../../../fuzz/src/frame.rs"]
mod frame;
#[path = "../../../../fuzz/src/handshake.rs"]
mod handshake;

fn run(target: &str, check: fn(&[u8])) {
    let seeds = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/seeds").join(target);
    let mut count = 0;
    for seed in std::fs::read_dir(seeds).unwrap() {
        check(&std::fs::read(seed.unwrap().path()).unwrap());
        count += 1;
    }
    assert!(count > 0, "no seeds of {target}");
}

#[test]
fn the_seeds_of_frames_hold() {
    run("frame", frame::check);
}

#[test]
fn the_seeds_of_handshakes_hold() {
    run("handshake", handshake::check);
}
