//! The examples do what they say, with the very commands that they open with.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use crate::support::root;

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
    let mut words = command.split_whitespace();
    assert_eq!(words.next(), Some("cargo"), "{command}");
    let mut cargo = Command::new(env!("CARGO"));
    cargo.args(words).current_dir(root()).env("KV_FILE", data).env("CARGO_TERM_QUIET", "true");
    #[expect(clippy::disallowed_methods, reason = "a person starts the examples, not a host")]
    let output = cargo.output();
    output.unwrap()
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
        assert!(include_str!("examples.rs").contains(&format!("fn {name}()")), "{name} has no test");
    }
}

#[test]
fn hosts_at_the_same_time_lose_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let data = directory.path().join("data");
    let commands = documented("kv/host.rs");
    assert!(run(&commands[0], &data).status.success());
    let built = Path::new(crate::support::WELL_BEHAVED).parent().unwrap();
    let program = built.join("examples/kv");
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
