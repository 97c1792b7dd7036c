//! The callsites of events that were not written in the host's source.
//!
//! `tracing` wants the description of an event for ever, because subscribers cache what they decided about
//! it. So each distinct description is leaked, once, and their number is bounded: when there is no room
//! the event must be dispatched under a description that does not depend on the plugin.

use std::borrow::Cow;
use std::collections::HashMap;
use std::hash::{BuildHasher, Hash, Hasher, RandomState};
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{LazyLock, OnceLock, PoisonError, RwLock};

use tracing_core::callsite::Identifier;
use tracing_core::field::FieldSet;
use tracing_core::metadata::Kind;
use tracing_core::subscriber::Interest;
use tracing_core::{Level, Metadata};

/// The fields that every event has, before those of the record.
pub(super) const OWN_FIELDS: [&str; 4] = ["message", "plugin", "plugin.pid", "plugin.span"];

/// Most callsites of plugins of one name: a plugin of a hundred thousand lines has about that many log
/// statements, and far fewer are reached at the level that a host asks for.
pub(super) const PER_PLUGIN: usize = 1024;

/// Most callsites of all plugins: four that use up their share. The largest possible takes 6 KiB, so what
/// hostile plugins can make a host keep is 24 MiB; an ordinary one takes 300 bytes.
pub(super) const IN_ALL: usize = 4 * PER_PLUGIN;

pub(super) static TABLE: LazyLock<Table> = LazyLock::new(Table::default);

/// What makes a callsite: two records with the same description share one.
#[derive(Debug)]
pub(super) struct Description<'a> {
    pub(super) level: Level,
    pub(super) target: Cow<'a, str>,
    pub(super) module_path: Option<Cow<'a, str>>,
    pub(super) file: Option<Cow<'a, str>>,
    pub(super) line: Option<u32>,
    /// The names of the fields of the record.
    pub(super) fields: Vec<Cow<'a, str>>,
}

/// All callsites there are.
#[derive(Default)]
pub(super) struct Table {
    hasher: RandomState,
    entries: RwLock<Entries>,
}

#[derive(Default)]
struct Entries {
    /// By the hash of their description, whose text they own already.
    by_hash: HashMap<u64, Vec<&'static Callsite>>,
    /// How many belong to the plugins of a name; one entry at least for each name.
    owned: HashMap<String, usize>,
    in_all: usize,
}

/// One leaked description, and what the subscribers think of it.
pub(super) struct Callsite {
    /// Set before anybody else sees the callsite; it contains a reference to it.
    metadata: OnceLock<Metadata<'static>>,
    interest: AtomicU8,
}

impl Table {
    /// The callsite of this description, made if need be; `None` when there is no room for another one.
    pub(super) fn intern(&self, description: &Description<'_>, owner: &str) -> Option<&'static Callsite> {
        let hash = self.hasher.hash_one(description);
        let entries = self.entries.read().unwrap_or_else(PoisonError::into_inner);
        if let Some(callsite) = entries.find(hash, description) {
            return Some(callsite);
        }
        let has_room = entries.has_room(owner);
        drop(entries);
        if !has_room {
            return None;
        }
        let mut entries = self.entries.write().unwrap_or_else(PoisonError::into_inner);
        if let Some(callsite) = entries.find(hash, description) {
            return Some(callsite);
        }
        if !entries.has_room(owner) {
            return None;
        }
        let callsite = Callsite::leak(description);
        entries.by_hash.entry(hash).or_default().push(callsite);
        *entries.owned.entry(owner.to_owned()).or_default() += 1;
        entries.in_all += 1;
        // Registering asks the subscribers, which may record something in turn.
        drop(entries);
        tracing_core::callsite::register(callsite);
        Some(callsite)
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.entries.read().unwrap().in_all
    }
}

impl Entries {
    fn find(&self, hash: u64, description: &Description<'_>) -> Option<&'static Callsite> {
        let candidates = self.by_hash.get(&hash)?;
        candidates.iter().copied().find(|callsite| description.describes(callsite.metadata()))
    }

    fn has_room(&self, owner: &str) -> bool {
        self.in_all < IN_ALL && self.owned.get(owner).is_none_or(|owned| *owned < PER_PLUGIN)
    }
}

impl Callsite {
    const NEVER: u8 = 0;
    const SOMETIMES: u8 = 1;
    const ALWAYS: u8 = 2;

    fn leak(description: &Description<'_>) -> &'static Self {
        let text = |text: &str| -> &'static str { Box::leak(Box::from(text)) };
        let callsite: &'static Self = Box::leak(Box::new(Self {
            metadata: OnceLock::new(),
            // Until it is registered, the subscriber is asked each time.
            interest: AtomicU8::new(Self::SOMETIMES),
        }));
        let fields = description.fields.iter().map(|name| text(name));
        let fields: Vec<_> = OWN_FIELDS.into_iter().chain(fields).collect();
        callsite.metadata.get_or_init(|| {
            Metadata::new(
                "plugin event",
                text(&description.target),
                description.level,
                description.file.as_deref().map(text),
                description.line,
                description.module_path.as_deref().map(text),
                FieldSet::new(Vec::leak(fields), Identifier(callsite)),
                Kind::EVENT,
            )
        });
        callsite
    }

    pub(super) fn metadata(&self) -> &Metadata<'static> {
        self.metadata.get().expect("`leak` sets it before it returns the callsite")
    }

    pub(super) fn interest(&self) -> Interest {
        match self.interest.load(Ordering::Relaxed) {
            Self::NEVER => Interest::never(),
            Self::ALWAYS => Interest::always(),
            _ => Interest::sometimes(),
        }
    }
}

impl tracing_core::Callsite for Callsite {
    fn set_interest(&self, interest: Interest) {
        let interest = match () {
            () if interest.is_never() => Self::NEVER,
            () if interest.is_always() => Self::ALWAYS,
            () => Self::SOMETIMES,
        };
        self.interest.store(interest, Ordering::SeqCst);
    }

    fn metadata(&self) -> &Metadata<'_> {
        self.metadata()
    }
}

impl Description<'_> {
    fn describes(&self, metadata: &Metadata<'_>) -> bool {
        let fields = metadata.fields().iter().skip(OWN_FIELDS.len());
        self.level == *metadata.level()
            && self.target == metadata.target()
            && self.module_path.as_deref() == metadata.module_path()
            && self.file.as_deref() == metadata.file()
            && self.line == metadata.line()
            && self.fields.iter().map(|name| &**name).eq(fields.map(|field| field.name()))
    }
}

impl Hash for Description<'_> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.level.hash(state);
        self.target.hash(state);
        self.module_path.hash(state);
        self.file.hash(state);
        self.line.hash(state);
        self.fields.hash(state);
    }
}
