//! Calls, in each form that arguments and results may have.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};

use plugin_core::{CallError, DEFAULT_MAX_MESSAGE};
use plugin_host::{Launcher, PluginProcess};
use tests::{Echo, EchoClient, Ledger, LedgerClient, LedgerError, Row, TallyClient, sys};

use crate::support::{assert_says, temporary_directory, well_behaved};

fn launch() -> (PluginProcess, EchoClient) {
    let plugin = well_behaved(&[]).spawn().unwrap();
    let echo = plugin.client().unwrap();
    (plugin, echo)
}

fn row(id: u64) -> Row {
    Row { id, name: format!("row {id} äöü"), tags: vec![String::new(), "tag".into()], weight: Some(-0.5) }
}

#[test]
fn each_form_of_argument_arrives_and_comes_back() {
    let (_plugin, echo) = launch();
    echo.nothing().unwrap();
    let numbers =
        (u8::MAX, i16::MIN, u32::MAX, i64::MIN, u128::MAX, i128::MIN, f64::MIN_POSITIVE, '\u{10ffff}', true);
    assert_eq!(echo.numbers(numbers).unwrap(), numbers);
    assert_eq!(echo.text("").unwrap(), "");
    assert_eq!(echo.text("a\0b\u{1f34f}").unwrap(), "a\0b\u{1f34f}");
    assert_eq!(echo.owned_text("owned".into()).unwrap(), "owned");
    assert_eq!(echo.cow(Cow::Borrowed("cow")).unwrap(), "cow");
    assert_eq!(echo.bytes(b"\0\xff").unwrap(), b"\0\xff");
    assert_eq!(echo.owned_bytes(vec![1, 2]).unwrap(), [1, 2]);
    assert_eq!(echo.array([4, 3, 2, 1]).unwrap(), [4, 3, 2, 1]);
    assert_eq!(echo.boxes([1, 2].into(), row(1).into()).unwrap(), ([1, 2].into(), row(1).into()));
    assert_eq!(echo.path(Path::new("/a/ä")).unwrap(), Path::new("/a/ä"));
    assert_eq!(echo.row(&row(2)).unwrap(), row(2));
    assert_eq!(echo.rows(&[]).unwrap(), []);
    assert_eq!(echo.texts(&["a", "", "b"]).unwrap(), ["a", "", "b"]);
    assert_eq!(echo.options(None, None, None).unwrap(), (None, None, None));
    let all = (Some("a".into()), Some(vec![1]), Some(row(3)));
    assert_eq!(echo.options(Some("a"), Some(&[1]), Some(&row(3))).unwrap(), all);
    let map = HashMap::from([("b".to_owned(), vec![2]), ("a".to_owned(), vec![])]);
    assert_eq!(echo.map(map.clone()).unwrap(), map.into_iter().collect::<BTreeMap<_, _>>());
    assert_eq!(echo.tuple((1, "two", "3".into())).unwrap(), (1, "two".into(), PathBuf::from("3")));
}

#[test]
#[cfg_attr(unix, ignore = "each path is some bytes, which cross")]
fn a_path_that_is_not_text_is_an_error() {
    let (_plugin, echo) = launch();
    let error = echo.path(&sys::strange_path()).unwrap_err();
    assert!(!error.may_have_run());
    assert_says(&error, &["`Echo::path`", "not valid Unicode"]);
}

#[test]
#[cfg_attr(windows, ignore = "a path of Windows crosses as text, or not at all")]
fn a_path_that_is_not_text_crosses() {
    let (_plugin, echo) = launch();
    let path = sys::strange_path();
    assert_eq!(echo.path(&path).unwrap(), path);
}

#[test]
fn large_values_come_back_whole() {
    let (_plugin, echo) = launch();
    let bytes: Vec<u8> = (0..1 << 20).map(|number| (number % 251) as u8).collect();
    assert!(echo.bytes(&bytes).unwrap() == bytes);
    let rows: Vec<_> = (0..20_000).map(row).collect();
    assert!(echo.rows(&rows).unwrap() == rows);
    assert_eq!(echo.zeros(20 << 20).unwrap().len(), 20 << 20);
}

#[test]
fn errors_of_the_methods_own_types_arrive_with_their_members() {
    let plugin = well_behaved(&[]).spawn().unwrap();
    let ledger: LedgerClient = plugin.client().unwrap();
    assert_eq!(ledger.withdraw("savings", 30).unwrap(), 70);
    let error = ledger.withdraw("savings", 130).unwrap_err();
    assert!(
        matches!(&error, LedgerError::Overdrawn { account, missing: 30 } if account == "savings"),
        "{error:?}"
    );
    assert!(matches!(ledger.withdraw("missing", 1).unwrap_err(), LedgerError::NoAccount));
    // What was a failed call in the plugin is a failed method here.
    let error = ledger.withdraw("elsewhere", 1).unwrap_err();
    assert!(
        matches!(&error, LedgerError::Call(CallError::Failed(failed)) if failed.message == "the bank is closed"),
        "{error:?}"
    );
    plugin.shutdown().unwrap();
    let error = ledger.withdraw("savings", 1).unwrap_err();
    assert!(matches!(&error, LedgerError::Call(error) if error.is_disconnected()), "{error:?}");
}

#[test]
fn errors_made_from_texts_and_sources_arrive_as_they_are() {
    let plugin = well_behaved(&[]).spawn().unwrap();
    let ledger: LedgerClient = plugin.client().unwrap();
    let error = ledger.fail("no\nway").unwrap_err();
    assert!(matches!(&error, CallError::Failed(failed) if failed.message == "no\nway"), "{error:?}");
    assert!(error.may_have_run());
    let error = ledger.open(Path::new("/nowhere")).unwrap_err();
    assert_says(&error, &[&sys::no_such_file()]);
}

#[test]
fn methods_that_cannot_fail_give_call_errors_to_the_host_only() {
    let plugin = well_behaved(&[]).spawn().unwrap();
    let tally: TallyClient = plugin.dispense("left").unwrap();
    assert_eq!(tally.as_path().unwrap(), None);
    assert_eq!(tally.add(3).unwrap(), 3);
    assert_eq!(tally.add(4).unwrap(), 7);
    assert_eq!(tally.as_path().unwrap(), Some(PathBuf::from("7")));
    assert_eq!(tally.divide(2).unwrap(), 3);
    assert_says(&tally.divide(0).unwrap_err(), &["nothing can be divided by zero"]);
    tally.reset().unwrap();
    assert_eq!(tally.add(1).unwrap(), 1);
    plugin.kill().unwrap();
    assert!(tally.add(1).unwrap_err().is_disconnected());
}

#[test]
fn arguments_over_the_limit_of_the_plugin_are_not_sent() {
    let plugin = well_behaved(&["small"]).spawn().unwrap();
    let echo: EchoClient = plugin.client().unwrap();
    // Bytes have their length, of 8 bytes, in front.
    let most = 64 * 1024 - 8;
    assert_eq!(echo.bytes(&vec![1; most]).unwrap().len(), most);
    let error = echo.bytes(&vec![1; most + 1]).unwrap_err();
    let CallError::TooLarge(too_large) = &error else { panic!("{error:?}") };
    assert_eq!((too_large.size, too_large.limit, too_large.in_reply), (64 * 1024 + 1, 64 * 1024, false));
    assert!(!error.may_have_run());
    assert_says(
        &error,
        &["the arguments of `Echo::bytes`", "65537 bytes", "limit of 65536", "`max_message`"],
    );
    assert_eq!(echo.number(7).unwrap(), 7);
}

#[test]
fn replies_over_the_limit_of_the_host_are_not_sent() {
    let plugin = well_behaved(&[]).max_message(64 * 1024).spawn().unwrap();
    let echo: EchoClient = plugin.client().unwrap();
    assert_eq!(echo.zeros(64 * 1024 - 8).unwrap().len(), 64 * 1024 - 8);
    let error = echo.zeros(64 * 1024).unwrap_err();
    let CallError::TooLarge(too_large) = &error else { panic!("{error:?}") };
    assert_eq!((too_large.size, too_large.limit, too_large.in_reply), (64 * 1024 + 8, 64 * 1024, true));
    assert!(error.may_have_run());
    assert_says(&error, &["the reply of `Echo::zeros`", "65544 bytes", "limit of 65536", "`max_message`"]);
    assert_eq!(echo.number(7).unwrap(), 7);
}

#[test]
fn the_limits_unless_set_are_those_of_the_documentation() {
    let (_plugin, echo) = launch();
    let error = echo.zeros(u64::from(DEFAULT_MAX_MESSAGE)).unwrap_err();
    assert!(
        matches!(&error, CallError::TooLarge(e) if e.limit == u64::from(DEFAULT_MAX_MESSAGE) && e.in_reply),
        "{error:?}"
    );
}

#[test]
fn a_launcher_starts_as_many_plugins_as_it_is_asked_for() {
    let directory = temporary_directory();
    let mut launcher: Launcher = well_behaved(&[]).current_dir(directory.path());
    let plugins: Vec<_> = (0..3).map(|_| launcher.spawn().unwrap()).collect();
    for (index, plugin) in plugins.iter().enumerate() {
        assert_eq!(plugin.client::<EchoClient>().unwrap().number(index as u64).unwrap(), index as u64);
    }
    let mut ids: Vec<_> = plugins.iter().map(PluginProcess::id).collect();
    ids.dedup();
    assert_eq!(ids.len(), 3);
}
