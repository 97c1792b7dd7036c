//! What a host asks of the hooks of a plugin.

use std::sync::Mutex;
use std::time::Duration;

use plugin_core::{AnyError, Hooks, Plugin, Result, plugin_interface};

use crate::{ClientError, PluginThread};

/// As long as nothing takes that does not hang.
const PATIENCE: Duration = Duration::from_secs(60);

#[plugin_interface]
trait Notes {
    fn write(&self, text: &str) -> Result<()>;
    fn read(&self) -> Result<String>;
}

#[derive(Default, Plugin)]
#[plugin(interfaces(Notes), hooks, exclusive)]
struct Book(Mutex<String>);

impl Notes for Book {
    fn write(&self, text: &str) -> Result<()> {
        self.0.lock().unwrap().push_str(text);
        Ok(())
    }
    fn read(&self) -> Result<String> {
        Ok(self.0.lock().unwrap().clone())
    }
}

impl Hooks for Book {
    fn health(&self) -> Result<(), AnyError> {
        match self.0.lock().unwrap().contains("ink is out") {
            true => Err(AnyError::msg("no more can be written")),
            false => Ok(()),
        }
    }
    fn save_state(&self) -> Result<Option<Vec<u8>>, AnyError> {
        let text = self.0.lock().unwrap().clone();
        Ok((!text.is_empty()).then(|| text.into_bytes()))
    }
    fn restore_state(&self, state: &[u8]) -> Result<(), AnyError> {
        std::str::from_utf8(state)?.clone_into(&mut self.0.lock().unwrap());
        Ok(())
    }
}

/// Has no hooks.
#[derive(Plugin)]
#[plugin(interfaces(Notes))]
struct Wall;

/// Has those that come of themselves.
#[derive(Plugin)]
#[plugin(interfaces(Notes), hooks)]
struct Slate;

impl Hooks for Slate {}

macro_rules! keeps_nothing {
    ($($name:ident)*) => {$(
        impl Notes for $name {
            fn write(&self, _: &str) -> Result<()> {
                Ok(())
            }
            fn read(&self) -> Result<String> {
                Ok(String::new())
            }
        }
    )*};
}
keeps_nothing!(Wall Slate);

#[test]
fn a_plugin_says_how_it_is() {
    let plugin = PluginThread::start(Book::default()).unwrap();
    plugin.health().unwrap();
    plugin.client::<NotesClient>().unwrap().write("the ink is out").unwrap();
    let error = plugin.health().unwrap_err();
    assert!(error.is_failed(), "{error:?}");
    assert!(error.to_string().contains("no more can be written"), "{error}");
    plugin.kill().unwrap();
    assert!(plugin.health().unwrap_err().is_disconnected());
    for plugin in [PluginThread::start(Wall).unwrap(), PluginThread::start(Slate).unwrap()] {
        plugin.health().unwrap();
        plugin.kill().unwrap();
        assert!(plugin.health().unwrap_err().is_disconnected());
    }
}

#[test]
fn one_plugin_takes_over_the_state_of_another() {
    let (old, new) =
        (PluginThread::start(Book::default()).unwrap(), PluginThread::start(Book::default()).unwrap());
    assert_eq!(old.peer.save_state(PATIENCE).unwrap(), None);
    old.client::<NotesClient>().unwrap().write("a long story").unwrap();
    let state = old.peer.save_state(PATIENCE).unwrap().unwrap();
    new.peer.restore_state(&state, PATIENCE).unwrap();
    assert_eq!(new.client::<NotesClient>().unwrap().read().unwrap(), "a long story");
    let error = new.peer.restore_state(b"\xff", PATIENCE).unwrap_err();
    assert!(error.is_failed() && error.to_string().contains("utf-8"), "{error}");
    old.shutdown().unwrap();
    assert!(old.peer.save_state(PATIENCE).unwrap_err().is_disconnected());
}

#[test]
fn a_state_is_not_lost_unnoticed() {
    for (plugin, says) in [
        (PluginThread::start(Wall).unwrap(), "`plugin-host` has no hooks"),
        (PluginThread::start(Slate).unwrap(), "it takes over no state"),
    ] {
        assert_eq!(plugin.peer.save_state(PATIENCE).unwrap(), None);
        let error = plugin.peer.restore_state(b"four", PATIENCE).unwrap_err().to_string();
        assert!(error.contains(says) && error.contains("4 bytes"), "{error}");
    }
}

#[test]
fn hooks_are_not_among_what_a_plugin_offers() {
    let plugin = PluginThread::start(Book::default()).unwrap();
    let interfaces: Vec<_> = plugin.describe().instances.iter().map(|it| it.interface.as_str()).collect();
    assert_eq!(interfaces, ["Notes"]);
    assert!(plugin.describe().is_exclusive());
    assert!(!PluginThread::start(Slate).unwrap().describe().is_exclusive());
    let error = plugin.client::<plugin_core::__host::LifecycleClient>().unwrap_err();
    assert!(matches!(error, ClientError::NoInterface { .. }), "{error}");
}
