//! Files that are not plugins, and programs that are started in the wrong way.

use std::process::Command;
use std::time::Duration;

use plugin_host::{LaunchCause, Launcher};
use tests::{Echo, EchoClient, Surroundings, SurroundingsClient};

use crate::cases::files;
use crate::support::{MORTAL_HOST, WELL_BEHAVED, assert_says, crashing, run_by_hand, well_behaved};

#[test]
fn files_that_are_not_programs() {
    files::files_that_are_not_programs();
}

#[test]
#[cfg_attr(windows, ignore = "a file needs no right and no interpreter to be a program")]
fn files_that_may_not_be_executed() {
    files::files_that_may_not_be_executed();
}

#[test]
fn a_program_cut_in_the_middle() {
    files::a_program_cut_in_the_middle();
}

#[test]
fn paths_that_name_no_file() {
    files::paths_that_name_no_file();
}

#[test]
fn a_path_with_a_zero_byte_is_an_error_and_no_panic() {
    let error = Launcher::new("/nowhere/a\0b").spawn().map(drop).unwrap_err();
    assert!(matches!(error.cause(), LaunchCause::NotFound | LaunchCause::Spawn(_)), "{error:?}");
}

#[test]
fn a_current_directory_that_does_not_exist_is_blamed() {
    let error = well_behaved(&[]).current_dir("/nowhere").spawn().map(drop).unwrap_err();
    assert!(matches!(error.cause(), LaunchCause::BadDirectory { .. }), "{error:?}");
    assert_says(&error, &["well_behaved", "`/nowhere`, which is not a directory", "create it"]);
}

#[test]
#[cfg_attr(windows, ignore = "a script is no program of its own")]
fn a_script_that_is_no_plugin() {
    files::a_script_that_is_no_plugin();
}

#[test]
#[cfg_attr(windows, ignore = "a script is no program of its own")]
fn a_wrapper_script_that_starts_the_plugin_is_fine() {
    let mut command = Command::new("/bin/sh");
    command.args(["-c", &format!("exec {WELL_BEHAVED}")]);
    let plugin = Launcher::from_command(command).spawn().unwrap();
    assert_eq!(plugin.client::<EchoClient>().unwrap().number(7).unwrap(), 7);
    plugin.shutdown().unwrap();
}

#[test]
fn a_plugin_does_not_start_itself_by_accident() {
    let plugin = well_behaved(&[]).spawn().unwrap();
    let text = plugin.client::<SurroundingsClient>().unwrap().start_itself().unwrap();
    assert_says(
        &text,
        &["well_behaved", "this process is itself a plugin", "never end", "is_plugin_process"],
    );
}

#[test]
fn a_program_that_is_host_and_plugin_starts_itself() {
    let output = run_by_hand(MORTAL_HOST, &["environment"]);
    assert!(output.status.success(), "{output:?}");
    assert!(String::from_utf8(output.stdout).unwrap().contains("ORCHARD=set\n"));
}

#[test]
fn a_plugin_started_by_hand_says_what_it_is() {
    files::a_plugin_started_by_hand_says_what_it_is();
}

#[test]
fn timeouts_without_end_are_no_panic() {
    let mut launcher = well_behaved(&[])
        .start_timeout(Duration::MAX)
        .shutdown_timeout(Duration::MAX)
        .stall_timeout(Duration::MAX)
        .call_timeout(Duration::MAX);
    let plugin = launcher.spawn().unwrap();
    assert_eq!(plugin.client::<EchoClient>().unwrap().bytes(&vec![1; 1 << 20]).unwrap().len(), 1 << 20);
    plugin.shutdown().unwrap();
}

#[test]
fn no_time_at_all_is_an_error() {
    let error = crashing().arg("hang").start_timeout(Duration::ZERO).spawn().map(drop).unwrap_err();
    assert!(matches!(error.cause(), LaunchCause::TimedOut { .. }), "{error:?}");
}
