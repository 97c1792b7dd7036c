//! Plugins that do not belong to their host, or were built from another version of an interface.

use plugin_core::{CallError, Handshake};
use plugin_host::{ClientError, LaunchCause};
use tests::other_version::{NewerLedgerClient, OlderLedger, OlderLedgerClient};
use tests::{APPLICATION, CrashClient, LedgerClient};

use crate::support::{assert_says, well_behaved};

pub(crate) fn others_are_refused_and_told_who_must_change() {
    let cases: &[(&[&str], Handshake, &[&str])] = &[
        (
            &["orchard"],
            Handshake::new("vineyard", 3),
            &["`orchard` (protocol 3)", "`vineyard` (protocol 3)", "remove it"],
        ),
        (&["orchard"], Handshake::new("orchard", 4), &["protocol 3", "protocol 4", "upgrade the plugin"]),
        (&["orchard"], Handshake::new("orchard", 2), &["protocol 3", "protocol 2", "upgrade this program"]),
        (&["orchard"], Handshake::default(), &["`orchard` (protocol 3)", "no named application"]),
        (&[], APPLICATION, &["no named application", "`orchard` (protocol 3)"]),
    ];
    for (words, ours, says) in cases {
        let error = well_behaved(words).handshake(ours.clone()).spawn().map(drop).unwrap_err();
        let LaunchCause::WrongApplication { ours: told, theirs } = error.cause() else { panic!("{error:?}") };
        assert_eq!((told, theirs == ours), (ours, false));
        assert_says(&error, &["well_behaved"]);
        assert_says(&error, says);
    }
}

pub(crate) fn a_missing_interface() {
    let plugin = well_behaved(&[]).spawn().unwrap();
    let error = plugin.client::<CrashClient>().unwrap_err();
    let ClientError::NoInterface { interface, offers, .. } = &error else { panic!("{error:?}") };
    assert_eq!(interface, "Crash");
    assert_eq!(
        offers,
        &["Echo", "Ledger", "Tally", "Gate", "Surroundings", "Printer", "Journal", "Bells", "Clock", "Vigil"]
    );
    assert_says(
        &error,
        &["`well-behaved` does not offer the interface `Crash`", "`Ledger`", "add the interface"],
    );
}

pub(crate) fn another_version_of_a_method_is_refused_before_the_first_call() {
    let plugin = well_behaved(&[]).spawn().unwrap();
    let error = plugin.client::<NewerLedgerClient>().unwrap_err();
    let ClientError::Incompatible { interface, differences, .. } = &error else { panic!("{error:?}") };
    assert_eq!((interface.as_str(), differences.len()), ("Ledger", 1));
    let (theirs, ours) = (&differences[0].theirs, &differences[0].ours);
    assert!(theirs.contains("amount: u64") && ours.contains("amount: u32"), "{error}");
    assert_says(
        &error,
        &["plugin `well-behaved`", "another version of `Ledger`", theirs, ours, "same version"],
    );
    // The plugin is as good as before.
    assert!(plugin.client::<LedgerClient>().is_ok());
}

pub(crate) fn a_method_that_the_plugin_lacks_fails_when_it_is_called() {
    let plugin = well_behaved(&[]).spawn().unwrap();
    let older: OlderLedgerClient = plugin.client().unwrap();
    assert_says(&older.fail("as ever").unwrap_err(), &["as ever"]);
    let error = older.audit().unwrap_err();
    assert!(matches!(error, CallError::Unsupported(_)), "{error:?}");
    assert!(!error.may_have_run());
    assert_says(&error, &["`well-behaved`", "no method `audit`", "`Ledger`", "upgrade the plugin"]);
}
