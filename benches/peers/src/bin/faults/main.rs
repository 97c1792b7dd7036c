//! Does the same faults to go-plugin and to this project, and writes down what comes of them, as a table in Markdown:
//! `benches/peers/faults [PART OF A TITLE]`. See docs/faults.md.

mod list;
mod run;

use std::error::Error;
use std::path::PathBuf;
use std::process::ExitCode;

use list::CASES;
use run::{DEADLINE, System, run};

fn compare() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args_os().skip(1);
    let raw =
        arguments.next().map(PathBuf::from).ok_or("the first argument is the plugin that speaks by hand")?;
    let filter = arguments.next().and_then(|text| text.into_string().ok()).unwrap_or_default();
    let folder = std::env::current_exe()?.parent().ok_or("no folder")?.to_owned();
    let go = folder.join("go-plugin");
    let systems = [
        System { name: "go-plugin, net/rpc", program: go.clone(), transport: Some("netrpc"), raw: None },
        System { name: "go-plugin, gRPC", program: go, transport: Some("grpc"), raw: None },
        System { name: "this project", program: folder.join("faults_ours"), transport: None, raw: Some(raw) },
    ];
    println!("What has not happened after {} s counts as never.\n", DEADLINE.as_secs());
    println!(
        "| what happens | {} |\n|---|---|---|---|",
        systems.each_ref().map(|system| system.name).join(" | ")
    );
    for case in CASES.iter().filter(|case| case.title.contains(&filter)) {
        let mut row = format!("| {} |", case.title);
        for system in &systems {
            row += &format!(" {} |", run(system, case)?);
        }
        println!("{row}");
    }
    Ok(())
}

fn main() -> ExitCode {
    match compare() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("faults: {error}");
            ExitCode::FAILURE
        }
    }
}
