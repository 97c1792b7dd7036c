//! Many plugins: those that a directory has.

mod builder;
mod cache;
mod discovery;
mod entry;
mod error;
mod manifest;
mod parallel;

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use glob::Pattern;
use plugin_core::__host::lock;
use plugin_core::Client;

pub use self::builder::PluginSetBuilder;
pub use self::error::{BrokenCause, BrokenPlugin, SetError};

use self::builder::Common;
use self::discovery::{Found, scan};
use self::entry::Entry;
use crate::description::Description;
use crate::error::ShutdownError;
use crate::supervisor::SupervisedPlugin;

/// How many plugins are ended at once. It is they who work meanwhile, or wait; each has two seconds unless set.
const MAX_ENDS: usize = 32;

/// The plugins in a directory.
///
/// To give a program another feature is to drop another plugin into the directory: the set finds it, knows what it
/// offers, starts it when it is used, starts it again when it fails, and tells which ones are broken without letting
/// the others suffer.
///
/// A plugin is what a manifest `<name>.plugin.json` describes, or an executable whose name matches a
/// [pattern](PluginSetBuilder::pattern). A manifest has these fields, and no others:
///
/// ```json
/// {
///     "program": "bin/blur",
///     "name": "blur",
///     "args": ["--fast"],
///     "env": { "BLUR_THREADS": "2" },
///     "enabled": true
/// }
/// ```
///
/// Only `program` is needed; a relative path counts from the directory of the manifest. Other files are no concern of
/// the set. Manifests and executables have to belong to the user of the host or to root and must not be writable by
/// everybody, and neither must be the directory, unless it has the sticky bit.
///
/// ```no_run
/// # mod shared {
/// # use plugin_core::{Result, plugin_interface};
/// # #[plugin_interface]
/// # pub trait Filter { fn apply(&self, picture: &[u8]) -> Result<Vec<u8>>; }
/// # }
/// use std::time::Duration;
///
/// use plugin_host::PluginSet;
/// # use shared::{Filter, FilterClient};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let plugins = PluginSet::builder("plugins")
///     .pattern("filter-*")
///     .cache("cache/descriptions")
///     .idle_stop(Duration::from_secs(300))
///     .launcher(|_, launcher| launcher.call_timeout(Duration::from_secs(10)))
///     .build()?;
/// for broken in plugins.broken() {
///     eprintln!("{broken}");
/// }
/// let mut picture = std::fs::read("picture")?;
/// for offer in plugins.clients::<FilterClient>() {
///     match offer.client {
///         Ok(filter) => picture = filter.apply(&picture)?,
///         Err(error) => eprintln!("without {}: {error}", offer.plugin),
///     }
/// }
/// # Ok(())
/// # }
/// ```
///
/// Plugins are ended when the set is dropped and nobody else has them.
#[must_use = "the plugins of a set end when it is dropped"]
pub struct PluginSet {
    directory: PathBuf,
    patterns: Vec<Pattern>,
    common: Common,
    contents: Mutex<Contents>,
    /// The process that made it.
    owner: u32,
}

#[derive(Default)]
struct Contents {
    entries: BTreeMap<String, Arc<Entry>>,
    broken: Vec<BrokenPlugin>,
}

/// An instance of an interface that a plugin of a set offers.
#[derive(Debug)]
#[non_exhaustive]
pub struct Offer<C> {
    /// The name of the plugin in the set.
    pub plugin: String,
    /// The name of the instance; empty unless the plugin gave it one.
    pub instance: String,
    /// Calls it; or why it cannot be called: the plugin was built with another version of a method, or does not start.
    pub client: Result<C, SetError>,
}

/// What is different in a directory since the last look.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Changes {
    /// Plugins that are new.
    pub added: Vec<String>,
    /// Plugins that are gone, or broken now.
    pub removed: Vec<String>,
    /// Plugins whose executable or manifest was changed. Those that run go on as before until they are
    /// [reloaded](PluginSet::reload).
    pub changed: Vec<String>,
}

impl Changes {
    /// Whether nothing is different.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.added.is_empty() && self.removed.is_empty() && self.changed.is_empty()
    }
}

impl PluginSet {
    /// Begins a set of the plugins in `directory`. A relative path counts from the host's current directory now.
    pub fn builder(directory: impl AsRef<Path>) -> PluginSetBuilder {
        PluginSetBuilder::new(directory.as_ref())
    }

    fn open(directory: PathBuf, patterns: Vec<Pattern>, common: Common) -> Result<Self, SetError> {
        let set = Self { directory, patterns, common, contents: Mutex::default(), owner: std::process::id() };
        set.rescan()?;
        Ok(set)
    }

    /// The names of the plugins that can be started as far as their files tell, in alphabetical order.
    #[must_use]
    pub fn names(&self) -> Vec<String> {
        lock(&self.contents).entries.keys().cloned().collect()
    }

    /// The plugins that cannot be used: what is wrong with their files, and those whose last start failed. A plugin
    /// that was not started yet may still turn out to be broken: [`describe_all`](Self::describe_all) asks all of them.
    /// One that ran and is given up, as its policy says, is not among them: its calls and its events tell of it.
    #[must_use]
    pub fn broken(&self) -> Vec<BrokenPlugin> {
        let contents = lock(&self.contents);
        let (broken, entries) = (contents.broken.clone(), contents.all());
        drop(contents);
        broken.into_iter().chain(entries.iter().filter_map(|entry| entry.broken())).collect()
    }

    /// What a plugin says of itself. It is started to be asked, and ended again, unless it runs or that is known from
    /// before. One that runs is described as it runs, also when its files were changed, until it is
    /// [reloaded](Self::reload).
    ///
    /// # Errors
    /// When there is no such plugin, or it cannot be started.
    pub fn describe(&self, name: &str) -> Result<Arc<Description>, SetError> {
        self.entry(name)?.description(&self.common).map_err(SetError::Broken)
    }

    /// What each plugin says of itself, with its name, in alphabetical order. Several are asked at once. Those that
    /// cannot be started are left out, and [broken](Self::broken) afterwards.
    #[must_use]
    pub fn describe_all(&self) -> Vec<(String, Arc<Description>)> {
        let described = self.described().into_iter();
        described.map(|(entry, description)| (entry.name().to_owned(), description)).collect()
    }

    /// The plugin of that name, which is started if it does not run. All who ask for it share one process. One that was
    /// given up is not started again by this but by [`reload`](Self::reload) or [`SupervisedPlugin::restart`].
    ///
    /// # Errors
    /// When there is no such plugin, or it cannot be started. It is tried again the next time.
    pub fn get(&self, name: &str) -> Result<Arc<SupervisedPlugin>, SetError> {
        self.entry(name)?.shared(&self.common).map_err(SetError::Broken)
    }

    /// Another process of the plugin of that name, for the caller alone.
    ///
    /// # Errors
    /// As [`get`](Self::get).
    pub fn new_instance(&self, name: &str) -> Result<SupervisedPlugin, SetError> {
        self.entry(name)?.start(&self.common).map_err(SetError::Broken)
    }

    /// A client of the plugin of that name, which is started if it does not run.
    ///
    /// # Errors
    /// As [`get`](Self::get), and when the plugin does not offer the interface, or was built with another version of
    /// it.
    pub fn client<C: Client>(&self, name: &str) -> Result<C, SetError> {
        self.get(name)?.client().map_err(SetError::Client)
    }

    /// All instances of the interface that `C` is for, of all plugins that offer it: in alphabetical order of the
    /// plugins, and as each one lists them. Plugins that offer it are started, several at once; the others are
    /// only asked, unless that is known from before.
    ///
    /// What cannot be called is among them, with the reason. Plugins that could not even be asked are
    /// [broken](Self::broken) afterwards.
    #[must_use]
    pub fn clients<C: Client + Send>(&self) -> Vec<Offer<C>> {
        let described = self.described();
        let offering: Vec<_> = described.iter().filter(|(_, it)| it.offers(C::INTERFACE.name)).collect();
        let offers = parallel::for_each(self.common.max_starts, &offering, |(entry, description)| {
            let instances = description.instances.iter().filter(|it| it.interface == C::INTERFACE.name);
            let offer = |instance: &str| Offer {
                plugin: entry.name().to_owned(),
                instance: instance.to_owned(),
                client: self.dispense(entry, description, instance),
            };
            instances.map(|instance| offer(&instance.name)).collect::<Vec<_>>()
        });
        offers.into_iter().flatten().collect()
    }

    /// Starts all plugins, several at once. What went wrong, in alphabetical order.
    #[must_use]
    pub fn start_all(&self) -> Vec<BrokenPlugin> {
        let entries = lock(&self.contents).all();
        let started =
            parallel::for_each(self.common.max_starts, &entries, |entry| entry.shared(&self.common));
        started.into_iter().filter_map(Result::err).collect()
    }

    /// Looks through the directory once more. Plugins that are gone are ended unless somebody else has them. Those that
    /// were changed go on if they run; [`reload`](Self::reload) replaces them.
    ///
    /// # Errors
    /// When the directory cannot be read. The set stays as it was.
    pub fn rescan(&self) -> Result<Changes, SetError> {
        let Found { candidates, broken } = scan(&self.directory, &self.patterns)?;
        let mut changes = Changes::default();
        let mut contents = lock(&self.contents);
        let mut before = std::mem::take(&mut contents.entries);
        for (name, candidate) in candidates {
            let entry = match before.remove(&name) {
                Some(entry) if entry.candidate == candidate => entry,
                Some(entry) => {
                    changes.changed.push(name.clone());
                    Arc::new(entry.changed(candidate))
                }
                None => {
                    changes.added.push(name.clone());
                    Arc::new(Entry::new(candidate))
                }
            };
            contents.entries.insert(name, entry);
        }
        contents.broken = broken;
        drop(contents);
        changes.removed = before.into_keys().collect();
        Ok(changes)
    }

    /// Brings a plugin to what its files say now, without a call failing: [`SupervisedPlugin::swap`]. Starts it if it
    /// does not run. Files that were changed since the last [`rescan`](Self::rescan) are not looked at, but for the
    /// executable.
    ///
    /// # Errors
    /// When there is no such plugin, or the new process does not do. If one ran, it goes on.
    pub fn reload(&self, name: &str) -> Result<(), SetError> {
        self.entry(name)?.reload(&self.common)
    }

    /// Ends a plugin in order; it is started again when somebody asks the set for it. Clients that were made before
    /// fail from now on. One that does not run, or that the set does not have, is none to end.
    ///
    /// # Errors
    /// As [`SupervisedPlugin::shutdown`].
    pub fn stop(&self, name: &str) -> Result<(), ShutdownError> {
        let entry = lock(&self.contents).entries.get(name).cloned();
        entry.and_then(|entry| entry.take()).map_or(Ok(()), |running| running.shutdown())
    }

    /// Ends all plugins in order, at once, whoever has them; what went wrong. Those of
    /// [`new_instance`](Self::new_instance) belong to their owners.
    pub fn shutdown(&self) -> Vec<ShutdownError> {
        let entries = lock(&self.contents).all();
        let running: Vec<_> = entries.iter().filter_map(|entry| entry.take()).collect();
        // It is the plugins that work, or wait.
        let ended = parallel::for_each(MAX_ENDS, &running, |plugin| plugin.shutdown());
        ended.into_iter().filter_map(Result::err).collect()
    }

    fn entry(&self, name: &str) -> Result<Arc<Entry>, SetError> {
        let contents = lock(&self.contents);
        if let Some(entry) = contents.entries.get(name) {
            return Ok(Arc::clone(entry));
        }
        if let Some(broken) = contents.broken.iter().find(|broken| broken.name() == name) {
            return Err(SetError::Broken(broken.clone()));
        }
        let names = contents.entries.keys().cloned().collect();
        Err(SetError::Unknown { name: name.to_owned(), directory: self.directory.clone(), names })
    }

    /// The plugins that can be asked, with what they say.
    fn described(&self) -> Vec<(Arc<Entry>, Arc<Description>)> {
        let entries = lock(&self.contents).all();
        let described =
            parallel::for_each(self.common.max_starts, &entries, |entry| entry.description(&self.common));
        entries.into_iter().zip(described).filter_map(|(entry, it)| it.ok().map(|it| (entry, it))).collect()
    }

    fn dispense<C: Client>(
        &self,
        entry: &Entry,
        description: &Description,
        instance: &str,
    ) -> Result<C, SetError> {
        // One that does not fit is not started.
        description.instance(&C::INTERFACE, instance).map_err(SetError::Client)?;
        let plugin = entry.shared(&self.common).map_err(SetError::Broken)?;
        plugin.dispense(instance).map_err(SetError::Client)
    }
}

/// Ends the plugins that nobody else has, several at once.
impl Drop for PluginSet {
    fn drop(&mut self) {
        // A copy of the process that `fork` made has no plugins.
        if std::process::id() != self.owner {
            return;
        }
        let entries = lock(&self.contents).all();
        let running: Vec<_> = entries.iter().map(|entry| Mutex::new(entry.take())).collect();
        parallel::for_each(MAX_ENDS, &running, |plugin| drop(lock(plugin).take()));
    }
}

impl Contents {
    fn all(&self) -> Vec<Arc<Entry>> {
        self.entries.values().cloned().collect()
    }
}

impl fmt::Debug for PluginSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let contents = lock(&self.contents);
        f.debug_struct("PluginSet")
            .field("directory", &self.directory)
            .field("plugins", &contents.entries.keys().collect::<Vec<_>>())
            .field("broken", &contents.broken.iter().map(BrokenPlugin::name).collect::<Vec<_>>())
            .finish_non_exhaustive()
    }
}
