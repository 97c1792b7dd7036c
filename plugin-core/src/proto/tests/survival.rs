//! Extensions of plugins that outlive their host.

use super::*;
use crate::proto::tests::samples::{host_hello, plugin_hello};

fn survival() -> Survival {
    Survival {
        linger: Duration::from_millis(1500),
        secrets: Secrets::new([1; SECRET_LEN], [2; SECRET_LEN]),
        socket: b"/tmp/a\xff".to_vec(),
    }
}

#[test]
fn a_wish_to_survive_comes_back_and_not_in_part() {
    let extension = Extension::survive(&survival());
    let hello = |value: &[u8]| HostHello {
        extensions: vec![Extension { key: extension.key, value: value.to_vec() }],
        ..host_hello()
    };
    assert_eq!(hello(&extension.value).survival(), Some(survival()));
    for length in 0..8 + 2 * SECRET_LEN {
        assert_eq!(hello(&extension.value[..length]).survival(), None, "{length}");
    }
    assert_eq!(host_hello().survival(), None);
}

#[test]
fn a_group_comes_back_byte_by_byte() {
    let hello = HostHello { extensions: vec![Extension::cgroup(b"/g/\xff")], ..host_hello() };
    assert_eq!(hello.cgroup(), Some(&b"/g/\xff"[..]));
    assert_eq!(host_hello().cgroup(), None);
}

#[test]
fn only_the_plugin_s_own_secret_is_its_own() {
    let Secrets { host, plugin } = survival().secrets;
    let hello = PluginHello { extensions: vec![Extension::listens(&plugin)], ..plugin_hello() };
    assert!(hello.shows(&plugin) && !hello.shows(&host));
    assert!(!plugin_hello().shows(&plugin));
    let short = Extension { key: LISTENS, value: vec![2; SECRET_LEN - 1] };
    assert!(!PluginHello { extensions: vec![short], ..plugin_hello() }.shows(&plugin));
}

#[test]
fn secrets_are_written_in_digits_and_hidden_elsewhere() {
    let secrets = survival().secrets;
    let digits = secrets.to_hex();
    assert_eq!(digits.len(), 4 * SECRET_LEN);
    assert_eq!(Secrets::from_hex(&digits).as_ref(), Some(&secrets));
    assert_eq!(Secrets::from_hex(&digits[1..]), None);
    assert_eq!(Secrets::from_hex(&digits.replace('1', "g")), None);
    assert_eq!(format!("{secrets:?}"), "Secrets { host: Secret(..), plugin: Secret(..) }");
}
