//! Who belongs together: applications, interfaces, instances, versions of methods.

use plugin_core::Handshake;
use plugin_host::ClientError;
use tests::{APPLICATION, Crash, CrashClient, Echo, EchoClient, Mishap, TallyClient};

use crate::cases::versions;
use crate::support::{assert_says, crashing, well_behaved};

#[test]
fn the_same_application_and_protocol_belong_together() {
    let plugin = well_behaved(&["orchard"]).handshake(APPLICATION).spawn().unwrap();
    assert_eq!(plugin.describe().handshake, APPLICATION);
    assert_eq!(plugin.client::<EchoClient>().unwrap().number(7).unwrap(), 7);
}

#[test]
fn others_are_refused_and_told_who_must_change() {
    versions::others_are_refused_and_told_who_must_change();
}

#[test]
fn a_plugin_describes_itself() {
    let plugin = well_behaved(&[]).spawn().unwrap();
    let description = plugin.describe();
    assert_eq!((description.name.as_str(), description.version.as_str()), ("well-behaved", "1.2.3"));
    assert_eq!(description.handshake, Handshake::default());
    let names: Vec<_> =
        description.instances.iter().map(|each| (each.interface.as_str(), each.name.as_str())).collect();
    assert_eq!(
        names,
        [
            ("Echo", ""),
            ("Ledger", ""),
            ("Tally", "left"),
            ("Tally", "right"),
            ("Gate", ""),
            ("Surroundings", ""),
            ("Printer", ""),
            ("Journal", ""),
            ("Bells", ""),
            ("Clock", ""),
            ("Vigil", "")
        ]
    );
    let ledger: Vec<_> = description.instances[1].methods.iter().map(|method| method.name.as_str()).collect();
    assert_eq!(ledger, ["withdraw", "fail", "open"]);
    let signature = &description.instances[1].methods[0].signature;
    for word in ["fn withdraw", "account: &str", "amount: u64", "Result<u64, LedgerError>"] {
        assert!(signature.contains(word), "{signature}");
    }
}

#[test]
fn named_instances_are_apart() {
    let plugin = well_behaved(&[]).spawn().unwrap();
    let left: TallyClient = plugin.dispense("left").unwrap();
    let right: TallyClient = plugin.dispense("right").unwrap();
    assert_eq!(left.add(5).unwrap(), 5);
    assert_eq!(right.add(1).unwrap(), 1);
    assert_eq!(left.add(1).unwrap(), 6);
}

#[test]
fn a_missing_interface() {
    versions::a_missing_interface();
}

#[test]
fn a_missing_instance() {
    let plugin = well_behaved(&[]).spawn().unwrap();
    let error = plugin.dispense::<TallyClient>("middle").unwrap_err();
    assert!(matches!(&error, ClientError::NoInstance { instance, .. } if instance == "middle"), "{error:?}");
    assert_says(&error, &["has no instance `middle` of `Tally`", "`left`, `right`", "name one of those"]);
    let error = plugin.client::<TallyClient>().unwrap_err();
    assert!(matches!(&error, ClientError::NoInstance { instance, .. } if instance.is_empty()), "{error:?}");
    assert_says(&error, &["several instances of `Tally`", "`left`, `right`", "`dispense`"]);
    let error = plugin.dispense::<EchoClient>("echo").unwrap_err();
    assert!(matches!(&error, ClientError::NoInstance { .. }), "{error:?}");
    assert_says(&error, &["has no instance `echo` of `Echo`"]);
}

#[test]
fn another_version_of_a_method_is_refused_before_the_first_call() {
    versions::another_version_of_a_method_is_refused_before_the_first_call();
}

#[test]
fn a_method_that_the_plugin_lacks_fails_when_it_is_called() {
    versions::a_method_that_the_plugin_lacks_fails_when_it_is_called();
}

#[test]
fn a_derived_plugin_takes_its_name_from_the_attribute() {
    let plugin = crashing().spawn().unwrap();
    assert_eq!(plugin.describe().name, "crashing");
    assert!(plugin.client::<CrashClient>().unwrap().crash(Mishap::PanicWithText).unwrap_err().is_panicked());
}
