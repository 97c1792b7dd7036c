//! The examples do what they say, with the very commands that they open with.

use std::env::consts::EXE_SUFFIX;
use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};

use tests::sys;

use crate::support::{assert_says, root, wait_for, wait_until_gone};

/// The commands in the first block of an example's documentation.
fn documented(example: &str) -> Vec<String> {
    let source = fs::read_to_string(root().join("examples").join(example)).unwrap();
    let block =
        source.split("//! ```text\n").nth(1).unwrap_or_else(|| panic!("{example} does not say what to type"));
    let lines = block.lines().take_while(|line| *line != "//! ```");
    lines.map(|line| line.trim_start_matches("//! ").to_owned()).collect()
}

/// Runs a command as a person would, but with the cargo that runs the tests and without its chatter.
fn run(command: &str, data: &Path) -> Output {
    let words: Vec<_> = command.split_whitespace().collect();
    let (mut program, arguments) = match words[..] {
        // Wine has no cargo, and whoever runs the tests there has built the examples.
        ["cargo", "run", "--example", example, ref rest @ ..] if sys::is_wine() => {
            let arguments = rest.iter().skip_while(|word| **word == "--").copied().collect();
            (Command::new(built(example)), arguments)
        }
        ["cargo", ..] if sys::is_wine() => {
            return Output { status: ExitStatus::default(), stdout: Vec::new(), stderr: Vec::new() };
        }
        ["cargo", ref rest @ ..] => (Command::new(env!("CARGO")), rest.to_vec()),
        _ => panic!("{command}"),
    };
    program.args(arguments).current_dir(root()).env("KV_FILE", data).env("CARGO_TERM_QUIET", "true");
    #[expect(clippy::disallowed_methods, reason = "a person starts the examples, not a host")]
    let output = program.output();
    output.unwrap()
}

/// An example that has been built.
fn built(example: &str) -> PathBuf {
    Path::new(crate::support::WELL_BEHAVED).with_file_name("examples").join(format!("{example}{EXE_SUFFIX}"))
}

/// Runs an example that has been built.
fn run_built(example: &str, arguments: &[&str]) -> Output {
    crate::support::run_by_hand(built(example), arguments)
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

#[test]
fn greeter() {
    let commands = documented("greeter/main.rs");
    assert_eq!(commands, ["cargo run --example greeter"]);
    let output = run(&commands[0], Path::new("unused"));
    let (stdout, stderr) = (text(&output.stdout), text(&output.stderr));
    assert!(output.status.success(), "{stdout}{stderr}");

    let lines: Vec<_> = stdout.lines().collect();
    let ["host", host, "started", "plugin", plugin] = lines[0].split(' ').collect::<Vec<_>>()[..] else {
        panic!("{stdout}")
    };
    assert_ne!(host, plugin, "it has to be another process");
    assert_eq!(lines[1], "Hello, world!");
    assert!(
        lines[2].starts_with("the call failed: `Greeter::greet` of plugin `english` panicked at "),
        "{stdout}"
    );
    assert!(lines[2].contains("nobody to greet"), "{stdout}");
    assert_eq!(lines[3..], ["Hello, world, once more!"]);

    // A record that the plugin made with fields arrives with them, and says whose it is.
    let record = stderr
        .lines()
        .find(|line| line.contains("asked for a greeting"))
        .unwrap_or_else(|| panic!("{stderr}"));
    for part in [
        "INFO",
        "greeter:",
        "plugin=\"english\"",
        &format!("plugin.pid={plugin}"),
        "name=\"world\"",
        "length=5",
    ] {
        assert!(record.contains(part), "no {part} in {record}");
    }
    // What the plugin printed arrives, too.
    assert!(stderr.contains("plugin::stderr: thread 'plugin call'"), "{stderr}");
}

#[test]
fn kv() {
    let directory = tempfile::tempdir().unwrap();
    let data = directory.path().join("data");
    let commands = documented("kv/host.rs");
    let [build, put, get] = &commands[..] else { panic!("{commands:?}") };
    let output = run(build, &data);
    assert!(output.status.success(), "{}", text(&output.stderr));

    // Nothing is there yet: a readable error and the exit status 1.
    let output = run(get, &data);
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(text(&output.stdout), "");
    assert_eq!(text(&output.stderr), "kv: there is no value for `greeting`\n");

    let output = run(put, &data);
    assert!(output.status.success(), "{}", text(&output.stderr));
    assert_eq!((text(&output.stdout), text(&output.stderr)), (String::new(), String::new()));

    // Another process of the plugin finds it in the file.
    let output = run(get, &data);
    assert!(output.status.success(), "{}", text(&output.stderr));
    assert_eq!(text(&output.stdout), "hello\n");

    // A file that is not the plugin's is an error of the user's type, not of the call.
    fs::write(&data, "no such format").unwrap();
    let output = run(get, &data);
    assert_eq!(output.status.code(), Some(1));
    let error = text(&output.stderr);
    assert!(error.contains("the storage failed") && error.contains("not a file of this plugin"), "{error}");
}

#[test]
fn counter() {
    let commands = documented("counter/host.rs");
    let [build, put] = &commands[..] else { panic!("{commands:?}") };
    assert!(run(build, Path::new("unused")).status.success());
    let output = run(put, Path::new("unused"));
    assert!(output.status.success(), "{output:?}");
    let said = "the plugin asks for 0 + 3\nthe plugin asks for 0 + 1\nthe plugin asks for 3 + 4\n\
                apples: 7\npears: 1\n";
    assert_eq!((text(&output.stdout).as_str(), text(&output.stderr).as_str()), (said, ""));

    // An error of the host's own goes through the plugin and back.
    let output = run_built("counter", &["stars", "9223372036854775807", "stars", "1"]);
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(text(&output.stderr), "counter: that is more than fits\n");
}

#[test]
fn progress() {
    let commands = documented("progress/main.rs");
    assert_eq!(commands, ["cargo run --example progress -- 1000000"]);
    let output = run(&commands[0], Path::new("unused"));
    assert!(output.status.success(), "{output:?}");
    assert_eq!(text(&output.stdout), "there are 78498 primes below 1000000\n");
    // Nobody looks at a bar.
    let tenths: String = (1..=10).map(|tenth| format!("{tenth}0 %\n")).collect();
    assert_eq!(text(&output.stderr), tenths);
}

#[test]
#[cfg_attr(windows, ignore = "a console has all that run in it interrupted, these tests as well")]
fn progress_is_stopped_by_ctrl_c() {
    assert!(run("cargo build --examples", Path::new("unused")).status.success());
    // It would take years.
    let mut command = Command::new(built("progress"));
    command.arg("1000000000000").stdout(Stdio::piped()).stderr(Stdio::piped());
    #[expect(clippy::disallowed_methods, reason = "a person starts the examples, not a host")]
    let mut host = Killed(command.spawn().unwrap());
    let id = host.0.id();
    let mut plugin = 0;
    wait_for("the plugin works", || {
        let [child] = sys::children(id)[..] else { return false };
        plugin = child;
        // The thread that runs calls is there as soon as there was one.
        sys::thread_names(plugin).iter().any(|name| name == "plugin call")
    });
    sys::interrupt(id);
    wait_for("the host ends", || host.0.try_wait().unwrap().is_some());
    wait_until_gone(plugin);
    assert_eq!(host.0.wait().unwrap().code(), Some(130), "as shells count");
    let (mut stdout, mut stderr) = (String::new(), String::new());
    host.0.stdout.take().unwrap().read_to_string(&mut stdout).unwrap();
    host.0.stderr.take().unwrap().read_to_string(&mut stderr).unwrap();
    assert_says(&stdout, &["stopped at ", " of 1000000000000: ", "primes so far"]);
    assert_eq!(stderr, "");
}

/// A process that does not outlive a test that fails.
struct Killed(Child);

impl Drop for Killed {
    fn drop(&mut self) {
        // It has ended already, unless the test has failed.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn session() {
    let commands = documented("session/main.rs");
    assert_eq!(commands, ["cargo run --example session"]);
    let output = run(&commands[0], Path::new("unused"));
    let (stdout, stderr) = (text(&output.stdout), text(&output.stderr));
    assert!(output.status.success(), "{stdout}{stderr}");
    let lines: Vec<_> = stdout.lines().collect();
    let [ada, grace, mallory, gone] = lines[..] else { panic!("{stdout}") };
    assert_eq!((ada, grace), ("Ada's basket: tea, milk", "Grace's basket: coffee"));
    assert_eq!(mallory, "no session: Mallory has another password");
    assert_says(&gone, &["no basket: plugin `shop` is gone", "`Session::basket` has not run"]);
    // Each session that began has ended in the plugin.
    for record in ["logged in", "logged out"] {
        for name in ["Ada", "Grace"] {
            let is_it = |line: &&str| line.contains(record) && line.contains(&format!("name=\"{name}\""));
            assert_eq!(stderr.lines().filter(is_it).count(), 1, "{name} {record}: {stderr}");
        }
    }
    assert!(!stderr.contains("Mallory"), "{stderr}");
}

#[test]
fn streaming() {
    let commands = documented("streaming/main.rs");
    assert_eq!(commands, ["cargo run --example streaming -- Cargo.lock"]);
    let output = run(&commands[0], Path::new("unused"));
    let (stdout, stderr) = (text(&output.stdout), text(&output.stderr));
    assert!(output.status.success(), "{stdout}{stderr}");
    let length = fs::metadata(root().join("Cargo.lock")).unwrap().len();
    let lines: Vec<_> = stdout.lines().collect();
    let [stored, same, first, other] = lines[..] else { panic!("{stdout}") };
    assert_eq!(stored, format!("stored {length} bytes as Cargo.lock"));
    assert_eq!(same, "the same came back");
    assert_eq!(first, "its first line: # This file is automatically @generated by Cargo.");
    assert_says(&other, &[&format!("another name: {}", sys::no_such_file())]);

    // More than both sides together may hold.
    let directory = tempfile::tempdir().unwrap();
    let large = directory.path().join("large");
    let file = fs::File::create(&large).unwrap();
    file.set_len(64 * 1024 * 1024 + 1).unwrap();
    let output = run(&format!("cargo run --example streaming -- {}", large.display()), Path::new("unused"));
    let stdout = text(&output.stdout);
    assert!(stdout.contains("stored 67108865 bytes") && stdout.contains("the same came back"), "{output:?}");
}

#[test]
fn r#async() {
    let commands = documented("async/main.rs");
    assert_eq!(commands, ["cargo run --example async"]);
    let output = run(&commands[0], Path::new("unused"));
    let (stdout, stderr) = (text(&output.stdout), text(&output.stderr));
    assert!(output.status.success(), "{stdout}{stderr}");
    let lines: Vec<_> = stdout.lines().collect();
    assert_says(&lines[0], &["`Weather::report` of plugin `weather` did not answer within 200ms"]);
    assert_eq!(lines[1], "nobody waits for news from El Dorado any more");
    assert_eq!(lines[2], "400 reports of sun");
    assert_eq!(lines[3..], ["Atlantis: 0 calls wait", "El Dorado: 0 calls wait"]);
}

#[test]
fn toolbox() {
    let commands = documented("toolbox/host.rs");
    assert_eq!(commands.len(), 4);
    assert!(run(&commands[0], Path::new("unused")).status.success());
    let lines: Vec<_> =
        commands[1..].iter().map(|command| text(&run(command, Path::new("unused")).stdout)).collect();
    assert_eq!(lines[0], "count: counts characters and words\nshout: says it louder\n");
    assert_eq!(lines[1..], ["HELLO!\n", "5 characters, 1 words\n"]);

    // One more executable in the directory is one more tool.
    let directory = tempfile::tempdir().unwrap();
    let program = |name: &str| directory.path().join(format!("{name}{EXE_SUFFIX}"));
    sys::link(built("tool-shout-plugin"), program("tool-cry-plugin"));
    fs::write(program("tool-dull-plugin"), "no program").unwrap();
    sys::make_executable(&program("tool-dull-plugin"));
    let toolbox = |arguments: &[&str]| {
        let mut command = Command::new(built("toolbox"));
        command.args(arguments).env("TOOLBOX", directory.path());
        #[expect(clippy::disallowed_methods, reason = "a person starts the examples, not a host")]
        let output = command.output();
        output.unwrap()
    };
    assert_eq!(text(&toolbox(&["cry", "wolf"]).stdout), "WOLF!\n");
    let list = text(&toolbox(&[]).stdout);
    assert!(list.starts_with("cry: says it louder\n"), "{list}");
    assert_says(&list, &["plugin `tool-dull-plugin`", "cannot be used", "a text"]);
    let output = toolbox(&["shout", "hello"]);
    assert!(!output.status.success());
    assert_says(&text(&output.stderr), &["there is no plugin `tool-shout-plugin`", "but `tool-cry-plugin`"]);
}

#[test]
fn supervised() {
    let commands = documented("supervised/main.rs");
    assert_eq!(commands, ["cargo run --example supervised"]);
    let output = run(&commands[0], Path::new("unused"));
    let (stdout, stderr) = (text(&output.stdout), text(&output.stderr));
    assert!(output.status.success(), "{stdout}{stderr}");
    assert_eq!(stderr, "");
    for generation in 1..=4 {
        assert_says(&stdout, &[&format!("process {generation} is gone: it aborted (signal: 6")]);
        assert_says(&stdout, &[&format!("process {} is ready, after ", generation + 1)]);
    }
    assert_says(&stdout, &["2 in a row: a pause of ", "1750 thumbnails are made"]);
    let last = stdout.lines().last().unwrap();
    let words: Vec<_> = last.split_whitespace().collect();
    let ["2000", "pictures:", made, "thumbnails", "made,", unknown, ..] = words[..] else {
        panic!("{stdout}")
    };
    let (made, unknown): (u32, u32) = (made.parse().unwrap(), unknown.parse().unwrap());
    assert_eq!(made + unknown, 2000, "{stdout}");
    // Those that crash, and at most three beside each of them.
    assert!((4..=16).contains(&unknown), "{stdout}");
}

#[test]
fn hot_swap() {
    let commands = documented("hot-swap/main.rs");
    assert_eq!(commands, ["cargo run --example hot-swap"]);
    let output = run(&commands[0], Path::new("unused"));
    let (stdout, stderr) = (text(&output.stdout), text(&output.stderr));
    assert!(output.status.success(), "{stdout}{stderr}");
    assert_eq!(stderr, "");
    assert_says(
        &stdout,
        &[
            "version 1 begins with 1\n",
            "version 2 goes on with ",
            "version 2 has taken over\n",
            "was not replaced and goes on as before: the new process cannot take over the state: version 3 has",
            " tickets without a gap, the last ones of version 2\n",
        ],
    );
    assert_eq!(stdout.lines().count(), 5, "{stdout}");
}

#[test]
fn every_example_is_listed_and_tested() {
    let manifest = fs::read_to_string(root().join("examples/Cargo.toml")).unwrap();
    let list = fs::read_to_string(root().join("examples/README.md")).unwrap();
    let names: Vec<_> = manifest
        .split("[[example]]")
        .skip(1)
        .map(|section| section.split('"').nth(1).unwrap().to_owned())
        .collect();
    assert!(!names.is_empty());
    for name in names.iter().filter(|name| !name.ends_with("-plugin")) {
        assert!(list.contains(&format!("| [`{name}`]")), "examples/README.md does not list {name}");
        let tests = ["fn ", "fn r#"].map(|prefix| format!("{prefix}{}()", name.replace('-', "_")));
        assert!(tests.iter().any(|test| include_str!("examples.rs").contains(test)), "{name} has no test");
    }
}

#[test]
fn hosts_at_the_same_time_lose_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let data = directory.path().join("data");
    let commands = documented("kv/host.rs");
    assert!(run(&commands[0], &data).status.success());
    let program = built("kv");
    let kv = |arguments: [&str; 3]| {
        let mut command = Command::new(&program);
        command.args(arguments.iter().filter(|argument| !argument.is_empty())).env("KV_FILE", &data);
        #[expect(clippy::disallowed_methods, reason = "a person starts the examples, not a host")]
        let output = command.output();
        output.unwrap()
    };
    std::thread::scope(|scope| {
        for number in 0..16 {
            let kv = &kv;
            scope.spawn(move || {
                let output = kv(["put", &format!("key {number}"), &format!("value {number}")]);
                assert!(output.status.success(), "{output:?}");
            });
        }
    });
    for number in 0..16 {
        let output = kv(["get", &format!("key {number}"), ""]);
        assert_eq!(text(&output.stdout), format!("value {number}\n"), "{output:?}");
    }
}
