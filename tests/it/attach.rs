//! Plugins that outlive their host, and such as a person has started.

use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use plugin_core::{DisconnectCause, EndKind, Handshake};
use plugin_host::{AttachCause, AttachError, LaunchCause, Launcher, PluginProcess, ReattachInfo};
use serde_json::Value;
use tests::sys::{self, Told};
use tests::{Steward, StewardClient};

use crate::support::{
    House, MORTAL_HOST, PATIENCE, STEWARD, assert_says, cause, in_time, kill_hard, start,
    temporary_directory, wait_for, wait_until_gone,
};

fn launcher() -> Launcher {
    Launcher::new(STEWARD)
}

/// A plugin that its host has left.
fn left() -> (House, ReattachInfo) {
    let house = House::new();
    let plugin = house.launcher("", "", "").survive_host(PATIENCE).spawn().unwrap();
    plugin.client::<StewardClient>().unwrap().fall_ill("it remembers").unwrap();
    let info = plugin.detach().unwrap();
    (house, info)
}

fn to_json(info: &ReattachInfo) -> Value {
    serde_json::to_value(info).unwrap()
}

/// Whether something is left where the plugin waits for hosts.
fn is_there(info: &ReattachInfo) -> bool {
    sys::is_listened_at(Path::new(to_json(info)["socket"].as_str().unwrap()))
}

/// The same record with another value in it.
fn changed(info: &ReattachInfo, field: &str, value: impl Into<Value>) -> ReattachInfo {
    let mut json = to_json(info);
    json[field] = value.into();
    serde_json::from_value(json).unwrap()
}

fn steward(plugin: &PluginProcess) -> StewardClient {
    plugin.client().unwrap()
}

#[track_caller]
fn refused(result: Result<PluginProcess, AttachError>) -> AttachError {
    result.map(drop).unwrap_err()
}

#[test]
fn a_plugin_that_is_left_goes_on_with_the_next_host() {
    let (house, info) = left();
    assert_eq!((info.name(), info.version(), info.pid()), ("steward", "1.0.0", house.id()));
    let text = serde_json::to_string(&info).unwrap();
    let info: ReattachInfo = serde_json::from_str(&text).unwrap();
    let secret = to_json(&info)["secret"].as_str().unwrap().to_owned();
    assert_eq!(secret.len(), 128);
    assert!(!format!("{info:?}").contains(&secret[..8]), "{info:?}");

    for _ in 0..3 {
        let plugin = launcher().reattach(&info).unwrap();
        assert_eq!((plugin.id(), plugin.describe().name.as_str()), (info.pid(), "steward"));
        assert_says(&plugin.health().unwrap_err(), &["it remembers"]);
        assert!(plugin.exited().is_none());
        assert_eq!(plugin.detach().unwrap(), info);
    }
    let plugin = launcher().reattach(&info).unwrap();
    let client = steward(&plugin);
    plugin.shutdown().unwrap();
    wait_until_gone(info.pid());
    let end = plugin.exited().unwrap();
    assert_eq!((end.kind(), end.status), (EndKind::Unknown, None));
    assert!(matches!(cause(&client.waiting().unwrap_err()), DisconnectCause::ShutDown));
    assert!(!is_there(&info));
    // It was started once.
    assert_eq!(house.diary(), format!("{}\ntold to end\ndropped\n", info.pid()));
}

#[test]
fn calls_of_the_host_that_leaves_fail_and_are_cancelled() {
    in_time("leaving a plugin with a call", || {
        let house = House::new();
        let plugin = house.launcher("", "", "").survive_host(PATIENCE).spawn().unwrap();
        let client = steward(&plugin);
        let caller = start(move || client.outlast("cancelled"));
        wait_for("the call runs", || house.diary().contains("begins to outlast"));
        let info = plugin.detach().unwrap();
        let error = caller.join().unwrap().unwrap_err();
        assert!(matches!(cause(&error), DisconnectCause::Detached), "{error:?}");
        assert!(error.may_have_run());
        assert_says(&error, &["was left to itself by this program", "reattach to it"]);
        wait_for("the method is cancelled, and prints", || house.diary().contains("cancelled"));
        launcher().reattach(&info).unwrap().shutdown().unwrap();
    });
}

#[test]
fn a_plugin_that_does_not_survive_cannot_be_left() {
    let house = House::new();
    let plugin = house.launcher("", "", "").spawn().unwrap();
    assert_eq!(plugin.reattach_info(), None);
    assert_eq!(plugin.detach(), None);
    wait_until_gone(house.id());
    assert!(house.diary().ends_with("dropped\n"));
}

#[test]
fn a_plugin_that_survives_ends_when_it_is_dropped_all_the_same() {
    let house = House::new();
    let plugin = house.launcher("", "", "").survive_host(PATIENCE).spawn().unwrap();
    let info = plugin.reattach_info().unwrap();
    assert!(is_there(&info));
    drop(plugin);
    wait_until_gone(house.id());
    assert!(!is_there(&info));
    let error = refused(launcher().reattach(&info));
    assert!(matches!(error.cause(), AttachCause::Gone), "{error:?}");
    assert_says(&error, &["`steward` (process", "nobody listens there, so it has ended; launch it again"]);
}

#[test]
fn what_a_plugin_that_crashes_leaves_is_removed() {
    let house = House::new();
    let plugin = house.launcher("", "", "").survive_host(PATIENCE).spawn().unwrap();
    let info = plugin.reattach_info().unwrap();
    kill_hard(plugin.id());
    wait_until_gone(plugin.id());
    assert!(steward(&plugin).waiting().unwrap_err().is_disconnected());
    drop(plugin);
    assert!(!is_there(&info));
}

/// Starts a host whose plugin outlives it, gives what the next host needs, and kills the host.
fn orphan(house: &House, linger: Duration) -> ReattachInfo {
    let mut command = Command::new(MORTAL_HOST);
    command.args(["survive", &linger.as_millis().to_string(), STEWARD]).arg(house.diary_file());
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
    #[expect(clippy::disallowed_methods, reason = "this is a host and not a plugin")]
    let mut host = command.spawn().unwrap();
    let mut line = String::new();
    BufReader::new(host.stdout.take().unwrap()).read_line(&mut line).unwrap();
    wait_for("a call runs", || house.diary().contains("begins to outlast"));
    host.kill().unwrap();
    host.wait().unwrap();
    serde_json::from_str(&line).unwrap()
}

#[test]
fn a_plugin_outlives_a_host_that_is_killed() {
    in_time("a plugin that outlives its host", || {
        let house = House::new();
        let info = orphan(&house, PATIENCE);
        let plugin = launcher().reattach(&info).unwrap();
        assert_says(&plugin.health().unwrap_err(), &["it remembers"]);
        // It has printed more than pipes hold, which nobody reads.
        wait_for("the call of the host is cancelled", || house.diary().contains("the host is gone"));
        assert!(steward(&plugin).panic("a cup broke").unwrap_err().is_panicked());
        // Its process is no child of this one, and is killed as surely.
        plugin.kill().unwrap();
        wait_until_gone(info.pid());
        assert!(matches!(cause(&plugin.ping().unwrap_err()), DisconnectCause::Killed));
        drop(plugin);
        assert!(!is_there(&info));
    });
}

#[test]
fn a_plugin_that_no_host_comes_for_ends_in_order() {
    let house = House::new();
    let info = orphan(&house, Duration::from_millis(1));
    wait_until_gone(info.pid());
    assert!(house.diary().contains("dropped"));
    assert!(!is_there(&info));
    assert!(matches!(refused(launcher().reattach(&info)).cause(), AttachCause::Gone));
}

#[test]
fn the_end_of_a_plugin_that_was_taken_over_is_seen() {
    in_time("the end of a plugin that is no child", || {
        let house = House::new();
        let info = orphan(&house, PATIENCE);
        let plugin = launcher().reattach(&info).unwrap();
        let client = steward(&plugin);
        let caller = start(move || client.wait_at_door());
        wait_for("somebody waits", || steward(&plugin).waiting().unwrap() == 1);
        kill_hard(info.pid());
        let error = caller.join().unwrap().unwrap_err();
        let DisconnectCause::Ended(end) = cause(&error) else { panic!("{error:?}") };
        assert_eq!(end.kind(), EndKind::Unknown);
        assert_says(&error, &["plugin `steward` is gone: it ended with an unknown status after"]);
    });
}

#[test]
fn one_host_at_a_time_has_a_plugin() {
    let house = House::new();
    let plugin = house.launcher("", "", "").survive_host(PATIENCE).spawn().unwrap();
    let info = plugin.reattach_info().unwrap();
    let error = refused(launcher().reattach(&info));
    assert!(matches!(error.cause(), AttachCause::Refused { .. }), "{error:?}");
    let me = format!("another host has it, process {}", std::process::id());
    assert_says(&error, &["it refused: ", &me, "wait until that has ended or detached"]);
    plugin.ping().unwrap();
    drop(plugin.detach());
    launcher().reattach(&info).unwrap().shutdown().unwrap();
}

#[test]
fn a_record_that_is_out_of_date_harms_nobody() {
    let (_house, info) = left();
    let (_other_house, other) = left();
    let start_time = to_json(&info)["start_time"].as_u64().unwrap();
    let secret = to_json(&info)["secret"].as_str().unwrap().to_owned();
    let others_socket = to_json(&other)["socket"].clone();
    let zeros = "0".repeat(64);
    let (mine, yours) = secret.split_at(64);

    for wrong in [
        // The id of the process was used again.
        changed(&info, "start_time", start_time + 1),
        // Another process is at the socket.
        changed(&info, "pid", std::process::id()),
        changed(&info, "socket", others_socket),
    ] {
        let error = refused(launcher().reattach(&wrong));
        assert!(matches!(error.cause(), AttachCause::AnotherProcess { .. }), "{error:?}");
        assert_says(&error, &["another process", "which is left alone; launch it again"]);
    }
    for wrong in [format!("{zeros}{yours}"), format!("{mine}{zeros}")] {
        let error = refused(launcher().reattach(&changed(&info, "secret", wrong)));
        assert!(matches!(error.cause(), AttachCause::Unproven), "{error:?}");
    }
    let error = refused(launcher().handshake(Handshake::new("orchard", 1)).reattach(&info));
    let AttachCause::NoHello(reason) = error.cause() else { panic!("{error:?}") };
    assert!(matches!(**reason, LaunchCause::WrongApplication { .. }), "{error:?}");
    for secret in ["", "zz", &secret[1..]] {
        let mut json = to_json(&info);
        json["secret"] = secret.into();
        assert!(serde_json::from_value::<ReattachInfo>(json).is_err());
    }

    // Both are as they were.
    for info in [info, other] {
        let plugin = launcher().reattach(&info).unwrap();
        assert_says(&plugin.health().unwrap_err(), &["it remembers"]);
        plugin.shutdown().unwrap();
    }
}

/// A plugin that a person has started.
struct ByHand {
    child: Child,
    place: PathBuf,
}

impl ByHand {
    fn start(house: &House, place: &Path) -> Self {
        let mut command = Command::new(STEWARD);
        command.arg(house.diary_file()).env("PLUGIN_LISTEN", place);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
        #[expect(clippy::disallowed_methods, reason = "this is a person who starts a plugin")]
        let child = command.spawn().unwrap();
        Self { child, place: place.to_owned() }
    }

    fn wait_until_it_waits(&self) {
        wait_for("the plugin waits for a host", || self.place.join("plugin").exists());
    }

    /// How it ended, and what it has said.
    fn end(mut self) -> (Told, String) {
        let mut said = String::new();
        self.child.stderr.take().unwrap().read_to_string(&mut said).unwrap();
        (sys::told(self.child.wait().unwrap()), said)
    }
}

#[test]
fn a_plugin_that_was_started_by_hand_takes_hosts_until_one_ends_it() {
    in_time("a plugin that was started by hand", || {
        let (house, directory) = (House::new(), temporary_directory());
        let place = directory.path().join("waits");
        let by_hand = ByHand::start(&house, &place);
        by_hand.wait_until_it_waits();
        assert!(sys::is_private(&place) && sys::is_private(&place.join("plugin")));

        let plugin = launcher().attach(&place).unwrap();
        assert_eq!(plugin.id(), by_hand.child.id());
        steward(&plugin).fall_ill("it remembers").unwrap();
        let error = refused(launcher().attach(&place));
        assert!(matches!(error.cause(), AttachCause::Refused { .. }), "{error:?}");
        // To drop it leaves it.
        drop(plugin);
        let plugin = launcher().attach(&place).unwrap();
        assert_says(&plugin.health().unwrap_err(), &["it remembers"]);
        assert_eq!(plugin.reattach_info().unwrap().name(), "steward");
        plugin.shutdown().unwrap();
        drop(plugin);

        let (status, said) = by_hand.end();
        assert_eq!(status, Told::Code(0), "{said}");
        assert!(
            said.contains("`steward` 1.0.0 is a plugin for no named application; it offers Steward"),
            "{said}"
        );
        assert!(said.contains(&format!("call `Launcher::attach(\"{}\")` there", place.display())), "{said}");
        assert!(!place.exists() && house.diary().ends_with("told to end\ndropped\n"));
        let error = refused(launcher().attach(&place));
        assert!(matches!(error.cause(), AttachCause::Gone), "{error:?}");
    });
}

#[test]
fn calls_of_a_plugin_that_was_started_by_hand_have_no_limit_of_time() {
    in_time("calls without a limit", || {
        let (house, directory) = (House::new(), temporary_directory());
        let by_hand = ByHand::start(&house, &directory.path().join("waits"));
        by_hand.wait_until_it_waits();
        let plugin = launcher().call_timeout(Duration::ZERO).attach(&by_hand.place).unwrap();
        assert_eq!(steward(&plugin).waiting().unwrap(), 0);
        plugin.kill().unwrap();
        assert_eq!(by_hand.end().0, sys::told_of_signal(9));
    });
}

#[test]
fn what_a_plugin_has_left_that_was_killed_does_not_stand_in_the_way() {
    in_time("a plugin after another one", || {
        let (house, directory) = (House::new(), temporary_directory());
        let place = directory.path().join("waits");
        let mut first = ByHand::start(&house, &place);
        first.wait_until_it_waits();
        first.child.kill().unwrap();
        first.child.wait().unwrap();
        let error = refused(launcher().attach(&place));
        assert!(matches!(error.cause(), AttachCause::Gone), "{error:?}");

        let second = ByHand::start(&house, &place);
        wait_for("the other one is there", || launcher().attach(&place).is_ok());
        // While it waits, nobody else can wait there.
        let (status, said) = ByHand::start(&house, &place).end();
        assert_eq!(status, Told::Code(1));
        assert!(
            said.contains("cannot wait for a host in `") && said.contains("another plugin waits there"),
            "{said}"
        );
        launcher().attach(&place).unwrap().shutdown().unwrap();
        assert_eq!(second.end().0, Told::Code(0));
    });
}

#[test]
fn a_plugin_does_not_wait_where_others_can_look() {
    let (house, directory) = (House::new(), temporary_directory());
    sys::open_to_all(directory.path());
    let (status, said) = ByHand::start(&house, directory.path()).end();
    assert_eq!(status, Told::Code(1));
    assert!(said.contains("it is there, and is no directory of this user's alone"), "{said}");
    let (status, said) = ByHand::start(&house, &directory.path().join("not/there")).end();
    assert_eq!(status, Told::Code(1));
    assert!(said.contains("(os error "), "{said}");
}
