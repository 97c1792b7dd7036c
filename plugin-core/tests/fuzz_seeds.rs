//! Runs the fuzz targets on their seeds, without libFuzzer.

use std::fs;
use std::path::Path;

#[path = "../../fuzz/src/payload.rs"]
mod payload;

#[test]
fn payload() {
    let seeds = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/seeds/payload");
    let mut count = 0;
    for seed in fs::read_dir(seeds).unwrap() {
        let path = seed.unwrap().path();
        println!("{}", path.display());
        payload::check(&fs::read(&path).unwrap());
        count += 1;
    }
    assert_ne!(count, 0, "there are no seeds");
}
