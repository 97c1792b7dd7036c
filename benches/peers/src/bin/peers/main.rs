//! Measures peers and this project at the same work in the same rounds; `benches/peers/run` builds and starts it.
//!
//! Each peer has a program of its own beside this one, which is started anew for every work of every round.

mod host;
mod list;
mod report;
mod rounds;

use std::ffi::OsString;
use std::fs;
use std::process::ExitCode;

use benches::Result;
use benches::options::Options;

fn main() -> ExitCode {
    let arguments: Vec<_> = std::env::args_os().skip(1).collect();
    peers::finish(measure(&arguments))
}

fn measure(arguments: &[OsString]) -> Result<()> {
    let Some(options) = Options::parse("benches/peers/run", arguments)? else {
        return Ok(());
    };
    let mut works = list::works(options.quick);
    works.retain(|work| work.figures.iter().any(|figure| options.wants(figure.name)));
    if works.is_empty() {
        return Err("no work has that word in its name; without --only all of them are done".into());
    }
    let record = rounds::run(&list::PEERS, &works, &options)?;
    print!("{}", report::tables(&record));

    let program = std::env::current_exe()?;
    // Three folders up from target/peers/release/peers, wherever `target` is.
    let target = program.ancestors().nth(3).ok_or("this program was not built by benches/peers/run")?;
    let folder = target.join("benches");
    fs::create_dir_all(&folder)?;
    let json = folder.join("peers.json");
    fs::write(&json, serde_json::to_string_pretty(&record)? + "\n")?;
    println!("\nEvery value of every round: {}", json.display());
    for (name, chart) in report::charts(&record) {
        let path = chart.write(options.plots.as_deref().unwrap_or(&folder), name)?;
        println!("Picture: {}", path.display());
    }
    Ok(())
}
