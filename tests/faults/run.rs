//! Does the cases, once in their order or for some time in another one.

use std::collections::BTreeMap;
use std::env;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use crate::cases::kills::Random;
use crate::check::{Baseline, Report};
use crate::docs;
use crate::support::{wait_for, well_behaved};
use crate::sys;
use crate::table::{Case, Deed, GROUPS};
use crate::watch;

/// The number of the last case.
const LAST: u32 = 83;

pub(crate) fn main() -> ExitCode {
    let soak = number_in("FAULTS_MINUTES").map(|minutes| Duration::from_secs(minutes * 60));
    if watch::is_inside() {
        return do_cases(soak);
    }
    check_numbers();
    docs::check();
    watch::run(soak)
}

fn number_in(variable: &str) -> Option<u64> {
    env::var(variable).ok().map(|text| text.parse().unwrap_or_else(|_| panic!("{variable} is not a number")))
}

fn cases() -> impl Iterator<Item = (&'static str, &'static Case)> {
    GROUPS.iter().flat_map(|group| group.cases.iter().map(|case| (group.title, case)))
}

/// Each number has its case.
fn check_numbers() {
    let numbers: Vec<_> = cases().map(|(_, case)| case.number).collect();
    assert_eq!(numbers, (1..=LAST).collect::<Vec<_>>(), "each number once, in order");
}

/// The cases that the argument chooses: a number, numbers from one to another, or a part of titles.
fn chosen() -> Vec<(&'static str, &'static Case)> {
    let filter = env::args().skip(1).find(|argument| !argument.starts_with('-'));
    let filter = filter.as_deref().unwrap_or_default();
    let (first, last) = filter.split_once('-').unwrap_or((filter, filter));
    let numbers = first.parse::<u32>().and_then(|first| Ok(first..=last.parse()?));
    let is_chosen = |case: &Case| match &numbers {
        Ok(numbers) => numbers.contains(&case.number),
        Err(_) => case.title.contains(filter),
    };
    cases().filter(|(_, case)| is_chosen(case)).collect()
}

fn do_cases(soak: Option<Duration>) -> ExitCode {
    sys::gather_descendants();
    // What is made once for the process, such as the table of events, is made here.
    well_behaved(&["early"]).spawn().map(drop).unwrap();
    wait_for("the threads of the first plugin end", || crate::held::Held::now().threads == 1);
    let seed = number_in("FAULTS_SEED").unwrap_or_else(|| u64::from(std::process::id()));
    println!("FAULTS_SEED={seed}");
    let baseline = Baseline::new();
    let is_well = match soak {
        None => once(&baseline, seed),
        Some(time) => soak_for(&baseline, time, seed),
    };
    if is_well {
        baseline.leave();
        ExitCode::SUCCESS
    } else {
        // The case that failed may have left threads that nobody can join.
        std::process::exit(1)
    }
}

/// Does the chosen cases in order, all of them, whatever fails.
fn once(baseline: &Baseline, seed: u64) -> bool {
    let begin = Instant::now();
    let mut failed = Vec::new();
    let mut done = 0;
    for (_, case) in chosen() {
        print_title(case);
        if let Some(why) = sys::exclusion(case) {
            println!("       not done here: {why}");
            continue;
        }
        match run(baseline, case, &mut Random::new(seed)) {
            Ok(report) => {
                done += 1;
                print_report(&report);
            }
            Err(error) => {
                println!("       FAILED: {error}");
                failed.push(case.number);
            }
        }
    }
    println!("{done} cases in {:.1?}, failed: {failed:?}", begin.elapsed());
    failed.is_empty()
}

/// Does the chosen cases in random order until the time is over or one fails.
fn soak_for(baseline: &Baseline, time: Duration, seed: u64) -> bool {
    let (begin, mut random) = (Instant::now(), Random::new(seed));
    let mut cases = chosen();
    cases.retain(|(_, case)| sys::exclusion(case).is_none());
    let mut totals: BTreeMap<&str, u64> = BTreeMap::new();
    let mut worst = Report::default();
    let mut calls = 0;
    let mut told = begin;
    while begin.elapsed() < time && !cases.is_empty() {
        let (group, case) = cases[usize::try_from(random.below(cases.len() as u64)).unwrap()];
        match run(baseline, case, &mut random) {
            Ok(report) => {
                *totals.entry(group).or_default() += 1;
                calls += report.calls;
                worst.slowest = worst.slowest.max(report.slowest);
                worst.left = worst.left.max(report.left);
                worst.peak = worst.peak.max(report.peak);
                worst.resident = worst.resident.max(report.resident);
            }
            Err(error) => {
                print_title(case);
                println!("       FAILED after {:.0?}: {error}", begin.elapsed());
                println!(
                    "again: FAULTS_MINUTES={} FAULTS_SEED={seed}, or this case alone: {}",
                    time.as_secs() / 60,
                    case.number
                );
                return false;
            }
        }
        if told.elapsed() > Duration::from_secs(30) {
            told = Instant::now();
            println!("{:.0?}: {} faults", begin.elapsed(), totals.values().sum::<u64>());
        }
    }
    println!("{} faults in {:.0?}, none failed: {totals:?}", totals.values().sum::<u64>(), begin.elapsed());
    println!(
        "the bystander answered {calls} calls, the slowest in {:.1?}; the heap grew by {} KiB at most while a case ran, \
         by {} KiB after one; the memory of the process by {} KiB",
        worst.slowest, worst.peak, worst.left, worst.resident
    );
    true
}

fn run(baseline: &Baseline, case: &Case, random: &mut Random) -> Result<Report, String> {
    match case.deed {
        Deed::Run(run) => baseline.check(case.title, run),
        Deed::Draw(run) => {
            let mut random = Random::new(random.below(u64::MAX));
            baseline.check(case.title, move || run(&mut random))
        }
    }
}

fn print_title(case: &Case) {
    println!("{:>4}  {}", case.number, case.title);
}

fn print_report(report: &Report) {
    let Report { took, calls, slowest, peak, left, resident } = report;
    println!(
        "       ok in {took:.0?}; bystander: {calls} calls, slowest {slowest:.1?}; heap +{peak} KiB, then +{left}; \
         resident +{resident}"
    );
}
