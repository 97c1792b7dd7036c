//! What is set for all plugins of a directory.

use std::fmt;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use glob::Pattern;
use plugin_core::AnyError;

use super::PluginSet;
use super::error::SetError;
use crate::launcher::{Launcher, absolute};
use crate::plugin::PluginProcess;
use crate::supervisor::Policy;

type Prepare = Arc<dyn Fn(&str, Launcher) -> Launcher + Send + Sync>;
type Initialise = Arc<dyn Fn(&str, &PluginProcess) -> Result<(), AnyError> + Send + Sync>;
type MayStop = Arc<dyn Fn(&str) -> bool + Send + Sync>;

/// Makes a [`PluginSet`].
#[must_use = "nothing is looked for before `build`"]
pub struct PluginSetBuilder {
    directory: PathBuf,
    patterns: Vec<String>,
    common: Common,
}

/// What all plugins of a set have in common.
#[derive(Clone)]
pub(super) struct Common {
    pub(super) cache: Option<PathBuf>,
    pub(super) launcher: Option<Prepare>,
    pub(super) initialise: Option<Initialise>,
    pub(super) max_starts: usize,
    policy: Policy,
    may_stop: Option<MayStop>,
}

impl Common {
    pub(super) fn policy_of(&self, name: &str) -> Policy {
        let policy = self.policy.clone();
        match &self.may_stop {
            Some(may_stop) => {
                let (may_stop, name) = (Arc::clone(may_stop), name.to_owned());
                policy.may_stop(move || may_stop(&name))
            }
            None => policy,
        }
    }
}

impl PluginSetBuilder {
    pub(super) fn new(directory: &Path) -> Self {
        Self {
            directory: absolute(directory),
            patterns: Vec::new(),
            common: Common {
                cache: None,
                launcher: None,
                initialise: None,
                // A start is work for one processor, most of it in the plugin.
                max_starts: thread::available_parallelism().map_or(1, NonZeroUsize::get),
                policy: Policy::default(),
                may_stop: None,
            },
        }
    }

    /// Takes executables whose names match, such as `kv-*`, as plugins without a manifest. `*`, `?` and `[a-z]` mean
    /// what they do in a shell. The executable of this very process is none of them. May be called several times; none
    /// is taken unless it is called. On Windows executables are those whose names end in `.exe`, which is no part of what matches
    /// and of what the plugin is called.
    pub fn pattern(mut self, pattern: impl Into<String>) -> Self {
        self.patterns.push(pattern.into());
        self
    }

    /// Keeps in this directory what plugins say of themselves, so that they are started to be asked only if their
    /// executable, their arguments or their variables have changed. It is created when it is needed, closed to
    /// other users. A program whose interfaces depend on something else, such as a script on what it runs, should
    /// not be kept.
    pub fn cache(mut self, directory: impl AsRef<Path>) -> Self {
        self.common.cache = Some(absolute(directory.as_ref()));
        self
    }

    /// Has the launcher of every plugin prepared, which is given with the plugin's name: for a
    /// [`Handshake`](plugin_core::Handshake), time limits, [private copies](Launcher::private_copies),
    /// [crash reports](Launcher::crash_reports). It should do the same each time.
    pub fn launcher(mut self, prepare: impl Fn(&str, Launcher) -> Launcher + Send + Sync + 'static) -> Self {
        self.common.launcher = Some(Arc::new(prepare));
        self
    }

    /// Has every process of every plugin brought to where it should be before calls go to it, as
    /// [`Supervisor::initialise`](crate::Supervisor::initialise) does, but for those that are only asked what
    /// they offer. It must not ask the set for the plugin that it is called for, which would wait for itself.
    pub fn initialise(
        mut self,
        initialise: impl Fn(&str, &PluginProcess) -> Result<(), AnyError> + Send + Sync + 'static,
    ) -> Self {
        self.common.initialise = Some(Arc::new(initialise));
        self
    }

    /// Sets how plugins are looked after: when they are started again, and when they are
    /// [stopped](Policy::idle_stop) because nobody uses them; the [default policy](Policy::default) unless set.
    pub fn policy(mut self, policy: Policy) -> Self {
        self.common.policy = policy;
        self
    }

    /// Stops plugins that were not called for so long and of which nothing is in use, and starts them again when
    /// they are called: [`Policy::idle_stop`].
    pub fn idle_stop(mut self, after: Duration) -> Self {
        self.common.policy = self.common.policy.idle_stop(after);
        self
    }

    /// Asks before a plugin is stopped because nobody uses it, with its name. One that may not be stopped is asked for
    /// again when it was not used for as long once more.
    pub fn may_stop(mut self, may_stop: impl Fn(&str) -> bool + Send + Sync + 'static) -> Self {
        self.common.may_stop = Some(Arc::new(may_stop));
        self
    }

    /// Sets how many plugins are started at once, at least 1; as many as there are processors unless set.
    pub fn max_starts(mut self, starts: usize) -> Self {
        self.common.max_starts = starts.max(1);
        self
    }

    /// Looks through the directory. No plugin is started.
    ///
    /// # Errors
    /// When the directory cannot be read, or a pattern is not one. What is wrong with single plugins is told by
    /// [`PluginSet::broken`].
    pub fn build(self) -> Result<PluginSet, SetError> {
        let Self { directory, patterns, common } = self;
        let patterns = patterns.into_iter().map(|pattern| {
            Pattern::new(&pattern).map_err(|error| SetError::Pattern { reason: error.to_string(), pattern })
        });
        PluginSet::open(directory, patterns.collect::<Result<_, _>>()?, common)
    }
}

impl fmt::Debug for PluginSetBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PluginSetBuilder")
            .field("directory", &self.directory)
            .field("patterns", &self.patterns)
            .field("policy", &self.common.policy)
            .finish_non_exhaustive()
    }
}
