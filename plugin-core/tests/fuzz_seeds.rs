//! Runs the fuzz targets on their seeds, without libFuzzer.

use std::fs;
use std::path::Path;

#[path = "../../fuzz/src/payload.rs"]
mod payload;

#[test]
fn payload() -> std::io::Result<()> {
    let seeds = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/seeds/payload");
    let mut count = 0;
    for seed in fs::read_dir(seeds)? {
        payload::check(&fs::read(seed?.path())?);
        count += 1;
    }
    assert_ne!(count, 0, "there are no seeds");
    Ok(())
}
