//! Measures calls to a plugin, each beside what bare sockets do in the same round, and the ends of plugins, each
//! beside that of a bare process.
//!
//! docs/performance.md says what is measured and how to read the table. One executable is the host, the
//! plugin and the process at the other end of the bare sockets. What is public here is what the comparison
//! with other libraries, `benches/peers`, needs to do the same work in the same way.

mod callback;
mod echo;
mod idle;
mod latency;
mod launch;
mod lifecycle;
pub mod machine;
mod memory;
pub mod options;
pub mod plot;
pub mod plugin;
pub mod raw;
pub mod report;
mod rounds;
pub mod stats;
mod stream;
mod sys;
mod tasks;
mod throughput;

use std::error::Error;
use std::ffi::{OsStr, OsString};
use std::process::ExitCode;

use crate::options::Options;
use crate::report::Show;
use crate::rounds::Measure;

/// Any error ends a run, with its text.
pub type Result<T, E = Box<dyn Error + Send + Sync>> = std::result::Result<T, E>;

/// The `main` of the benchmark, in all the processes that it starts.
pub fn main() -> ExitCode {
    let arguments: Vec<_> = std::env::args_os().skip(1).collect();
    if lifecycle::is_child(&arguments) {
        lifecycle::sleep();
        return ExitCode::SUCCESS;
    }
    if plugin_core::is_plugin_process() {
        return lifecycle::serve().unwrap_or_else(|| plugin_core::serve(plugin::Echoing));
    }
    let first = arguments.first().map_or_else(|| OsStr::new(""), OsString::as_os_str);
    let outcome = if first == raw::MODE {
        raw::serve(&arguments[1..])
    } else if first == lifecycle::HOST_MODE {
        lifecycle::serve_host(&arguments[1..])
    } else {
        let section = SECTIONS.iter().find(|section| first == section.word);
        let rest = &arguments[usize::from(section.is_some())..];
        Options::parse("cargo run --release -p benches -- [calls | lifecycle]", rest)
            .and_then(|options| options.map_or(Ok(()), |options| host(section, &options)))
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("benches: {error}");
            ExitCode::FAILURE
        }
    }
}

/// What is measured and shown together.
struct Section {
    /// What one types to have this one alone.
    word: &'static str,
    measures: fn(quick: bool) -> Vec<Box<dyn Measure>>,
    show: Show,
}

const SECTIONS: [Section; 2] = [
    Section {
        word: "calls",
        measures: all,
        show: Show {
            beside: "bare socket",
            title: "A plugin beside the bare socket, ratio",
            values: "latest.json",
            picture: "rounds",
        },
    },
    Section {
        word: "lifecycle",
        measures: lifecycle::all,
        show: Show {
            beside: "bare process",
            title: "The end of a plugin beside that of a bare process, ratio",
            values: "lifecycle.json",
            picture: "lifecycle",
        },
    },
];

/// Runs one section, or all of them.
fn host(section: Option<&Section>, options: &Options) -> Result<()> {
    let mut has_run = false;
    for section in section.map_or(&SECTIONS[..], std::slice::from_ref) {
        let mut measures = (section.measures)(options.quick);
        measures.retain(|measure| measure.figures().iter().any(|figure| options.wants(figure.name)));
        if measures.is_empty() {
            continue;
        }
        has_run = true;
        let record = rounds::run(&measures, options)?;
        print!("{}", report::table(&record, &section.show));
        let path = report::write(&record, &section.show)?;
        println!("\nEvery value of every round: {}", path.display());
        let folder = options.plots.as_deref().unwrap_or(path.parent().ok_or("a file is in a folder")?);
        let picture = report::rounds_plot(&record, &section.show).write(folder, section.show.picture)?;
        println!("Picture: {}\n", picture.display());
    }
    if has_run {
        Ok(())
    } else {
        Err("no measure has that word in its name; without --only all of them run".into())
    }
}

/// All measures of calls; those of a quick run are too short to mean much.
fn all(quick: bool) -> Vec<Box<dyn Measure>> {
    let mut measures: Vec<Box<dyn Measure>> = vec![
        Box::new(latency::Latency::back_to_back(quick)),
        Box::new(latency::Latency::without_spin(quick)),
        Box::new(latency::Latency::sparse(quick)),
        Box::new(throughput::Throughput::new("calls by 8 threads", 8, quick)),
        Box::new(throughput::Throughput::new("calls by 64 threads", 64, quick)),
        Box::new(tasks::Tasks::new("calls by 64 tasks", 64, quick)),
        Box::new(tasks::Tasks::new("calls by 1,000 tasks, 64 threads on bare sockets", 1_000, quick)),
    ];
    measures.extend(echo::Echo::all(quick).map(|echo| Box::new(echo) as Box<dyn Measure>));
    measures.push(Box::new(callback::Callback::lent(quick)));
    measures.push(Box::new(callback::Callback::handed_over(quick)));
    measures.extend(stream::Flow::all(quick).map(|flow| Box::new(flow) as Box<dyn Measure>));
    measures.push(Box::new(launch::Launch::new(quick)));
    measures.push(Box::new(memory::Memory));
    measures.push(Box::new(idle::Idle::new(quick)));
    measures
}
