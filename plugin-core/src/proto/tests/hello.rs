//! Preambles and hellos.

use proptest::collection::vec;
use proptest::prelude::*;

use super::*;
use crate::proto::CONTROL_BUDGET;
use crate::proto::codec::{DecodeError, decode, encode};

fn range(lowest: u16, highest: u16) -> Versions {
    Versions { lowest, highest }
}

#[test]
fn the_highest_version_that_both_speak_is_chosen() {
    for (ours, theirs, expected) in [
        (range(1, 1), range(1, 1), Some(1)),
        (range(1, 3), range(2, 5), Some(3)),
        (range(2, 5), range(1, 3), Some(3)),
        (range(1, 9), range(4, 4), Some(4)),
        (range(1, 2), range(3, 4), None),
        (range(3, 4), range(1, 2), None),
        (range(0, u16::MAX), range(7, u16::MAX), Some(u16::MAX)),
    ] {
        assert_eq!(ours.common(theirs), expected, "{ours} and {theirs}");
    }
}

#[test]
fn every_beginning_of_a_preamble_waits_for_more() {
    let bytes = preamble(range(1, 0x0203));
    for length in 0..PREAMBLE_LEN {
        assert_eq!(read_preamble(&bytes[..length]), Ok(None));
    }
    assert_eq!(read_preamble(&bytes), Ok(Some(range(1, 0x0203))));
}

#[test]
fn what_is_not_a_preamble_is_refused_at_its_first_wrong_byte() {
    for at in 0..MAGIC.len() {
        let mut bytes = preamble(WIRE_VERSIONS);
        bytes[at] ^= 1;
        assert_eq!(read_preamble(&bytes[..at]), Ok(None));
        for length in at + 1..=PREAMBLE_LEN {
            assert_eq!(read_preamble(&bytes[..length]), Err(PreambleError::NotThisProtocol), "{at} {length}");
        }
    }
    for at in 12..PREAMBLE_LEN {
        let mut bytes = preamble(WIRE_VERSIONS);
        bytes[at] = 1;
        assert_eq!(read_preamble(&bytes), Err(PreambleError::NotThisProtocol));
    }
    assert_eq!(read_preamble(&preamble(range(2, 1))), Err(PreambleError::NotThisProtocol));
}

fn limits() -> impl Strategy<Value = WireLimits> {
    (any::<u32>(), any::<u32>()).prop_map(|(message, in_flight)| WireLimits { message, in_flight })
}

fn extensions() -> impl Strategy<Value = Vec<Extension>> {
    let extension = (any::<u32>(), vec(any::<u8>(), 0..20)).prop_map(|(key, value)| Extension { key, value });
    vec(extension, 0..4)
}

fn host_hello() -> impl Strategy<Value = HostHello> {
    (".{0,12}", any::<u32>(), limits(), any::<u8>(), extensions()).prop_map(
        |(application, protocol, limits, log_level, extensions)| HostHello {
            application,
            protocol,
            limits,
            log_level,
            extensions,
        },
    )
}

fn plugin_hello() -> impl Strategy<Value = PluginHello> {
    let method = (any::<u64>(), ".{0,8}", ".{0,20}", any::<u64>())
        .prop_map(|(id, name, signature, fingerprint)| MethodHello { id, name, signature, fingerprint });
    let instance = (any::<u64>(), ".{0,8}", ".{0,8}", vec(method, 0..4))
        .prop_map(|(object, interface, name, methods)| InstanceHello { object, interface, name, methods });
    let texts = (".{0,12}", ".{0,12}", ".{0,12}");
    (texts, any::<u32>(), limits(), vec(instance, 0..4), extensions()).prop_map(
        |((application, name, version), protocol, limits, instances, extensions)| PluginHello {
            application,
            protocol,
            name,
            version,
            limits,
            instances,
            extensions,
        },
    )
}

/// Comes back as it was; every beginning is too short, and one more byte is too many.
fn comes_back<T>(value: &T)
where
    T: Serialize + serde::de::DeserializeOwned + PartialEq + fmt::Debug,
{
    let mut bytes = Vec::new();
    encode(value, &mut bytes, usize::MAX).unwrap();
    assert_eq!(decode::<T>(&bytes, CONTROL_BUDGET).as_ref(), Ok(value));
    for cut in 0..bytes.len() {
        let error = decode::<T>(&bytes[..cut], CONTROL_BUDGET).unwrap_err();
        assert!(matches!(error, DecodeError::UnexpectedEnd { .. }), "{cut}: {error:?}");
    }
    bytes.push(0);
    assert_eq!(decode::<T>(&bytes, CONTROL_BUDGET), Err(DecodeError::TrailingBytes { count: 1 }));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn hellos_come_back_and_not_in_part(host in host_hello(), plugin in plugin_hello()) {
        comes_back(&host);
        comes_back(&plugin);
    }
}

#[test]
fn a_plugin_of_a_thousand_methods_fits_a_hello() {
    let method = MethodHello { id: 1, name: "m".repeat(40), signature: "s".repeat(200), fingerprint: 2 };
    let instance =
        InstanceHello { object: 1, interface: "I".into(), name: String::new(), methods: vec![method; 1000] };
    let hello = PluginHello {
        application: String::new(),
        protocol: 0,
        name: "large".into(),
        version: "1".into(),
        limits: WireLimits { message: 1, in_flight: 1 },
        instances: vec![instance],
        extensions: Vec::new(),
    };
    let mut bytes = Vec::new();
    encode(&hello, &mut bytes, crate::proto::frame::CONTROL_LIMIT as usize).unwrap();
    assert_eq!(decode::<PluginHello>(&bytes, CONTROL_BUDGET), Ok(hello));
}
