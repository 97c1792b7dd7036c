//! What each kind of [`CallError`](super::CallError) knows.

use core::fmt;
use core::time::Duration;
use std::sync::Arc;

use super::disconnect::Delivery;

/// The method that a failed call was for.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct CallTarget {
    /// The name of the plugin; empty for a callback or object of a plugin's host.
    pub plugin: Arc<str>,
    /// The name of the interface.
    pub interface: Arc<str>,
    /// The name of the method.
    pub method: &'static str,
}

impl CallTarget {
    pub(crate) fn new(plugin: Arc<str>, interface: Arc<str>, method: &'static str) -> Self {
        Self { plugin, interface, method }
    }
}

impl CallTarget {
    /// Whether it is the next batch of a stream.
    fn is_item(&self) -> bool {
        &*self.interface == "Stream" && self.method == "next"
    }
}

impl fmt::Display for CallTarget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &*self.interface {
            "" => write!(f, "`{}` of {}", self.method, Owner(self)),
            interface => write!(f, "`{interface}::{}` of {}", self.method, Owner(self)),
        }
    }
}

/// Whose method it is, with its name.
struct Owner<'a>(&'a CallTarget);

impl fmt::Display for Owner<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &*self.0.plugin {
            "" => f.write_str("the host"),
            plugin => write!(f, "plugin `{plugin}`"),
        }
    }
}

impl CallTarget {
    /// Whose method it is, where its name is known.
    fn side(&self) -> &'static str {
        if self.plugin.is_empty() { "host" } else { "plugin" }
    }
}

/// A method ran and failed.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Failed {
    /// What the method said.
    pub message: String,
}

impl fmt::Display for Failed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

/// A method panicked.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Panicked {
    /// The method.
    pub target: CallTarget,
    /// What the panic said.
    pub message: String,
    /// Where it was raised: `file:line:column`.
    pub location: Option<String>,
    /// The calls that led to it.
    pub backtrace: Option<String>,
}

impl fmt::Display for Panicked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} panicked", self.target)?;
        if let Some(location) = &self.location {
            write!(f, " at {location}")?;
        }
        write!(
            f,
            ": {}; this is a defect of the {}, which goes on with other calls unless its panic policy ends it: report it to \
             its author",
            self.message,
            self.target.side()
        )
    }
}

/// A plugin lacks a method.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Unsupported {
    /// The method.
    pub target: CallTarget,
}

impl fmt::Display for Unsupported {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} was built with a version of the interface `{}` that has no method `{}`: upgrade the {}",
            Owner(&self.target),
            self.target.interface,
            self.target.method,
            self.target.side()
        )
    }
}

/// A message is larger than both sides accept.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct TooLarge {
    /// The method.
    pub target: CallTarget,
    /// The size of the message in bytes.
    pub size: u64,
    /// The limit in bytes.
    pub limit: u64,
    /// Whether it is the reply, so that the method has run, rather than the arguments.
    pub in_reply: bool,
}

impl fmt::Display for TooLarge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let what = if self.in_reply { "reply of" } else { "message with the arguments of" };
        write!(
            f,
            "the {what} {} has {} bytes, more than the limit of {}: raise `max_message` on both sides, and of the \
             interface if it has one, or send less at once",
            self.target, self.size, self.limit
        )
    }
}

/// A value cannot be encoded.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Encoding {
    /// The method.
    pub target: CallTarget,
    /// The argument, or `None` for the value that the method returned.
    pub argument: Option<&'static str>,
    /// What the value's `Serialize` said.
    pub reason: String,
    /// Whether it is the reply, so that the method has run, rather than an argument.
    pub in_reply: bool,
}

impl fmt::Display for Encoding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.argument {
            Some(argument) => write!(f, "the argument `{argument}` of {}", self.target)?,
            None => write!(f, "what {} returned", self.target)?,
        }
        write!(f, " cannot be encoded: {}; change the value or its `Serialize`", self.reason)
    }
}

/// A value cannot be decoded.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Decoding {
    /// The method.
    pub target: CallTarget,
    /// The argument, or `None` for the value that the method returned.
    pub argument: Option<String>,
    /// What was wrong with the bytes.
    pub reason: String,
    /// Whether it is the reply, so that the method has run, rather than an argument.
    pub in_reply: bool,
}

impl fmt::Display for Decoding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.argument {
            Some(argument) => {
                write!(f, "{} cannot decode the argument `{argument}`", Owner(&self.target))?;
                write!(f, " of `{}::{}`", self.target.interface, self.target.method)?;
            }
            None => write!(f, "the reply of {} cannot be decoded", self.target)?,
        }
        write!(
            f,
            ": {}; build host and plugin with the same version of the interface and its types",
            self.reason
        )
    }
}

/// No reply came in time.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct TimedOut {
    /// The method.
    pub target: CallTarget,
    /// How long the call was allowed to take.
    pub after: Duration,
    /// Whether the plugin may have run the method.
    pub delivery: Delivery,
}

impl fmt::Display for TimedOut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { target, after, delivery } = self;
        match delivery {
            Delivery::NotSent if after.is_zero() => write!(
                f,
                "{target} was not sent and has not run: there was no time left, of the call that it is made in or by \
                 its own limit"
            ),
            // Nothing is wrong with a stream of which nothing came.
            Delivery::Unknown if target.is_item() => {
                f.write_str("no item of a stream")?;
                if !target.plugin.is_empty() {
                    write!(f, " of plugin `{}`", target.plugin)?;
                }
                write!(f, " came within {after:?}; it goes on")
            }
            Delivery::NotSent => write!(
                f,
                "{target} was not sent within {after:?} and has not run: other calls take all the room; allow more \
                 time, or kill the plugin if they hang"
            ),
            Delivery::Unknown if target.plugin.is_empty() => {
                write!(f, "{target} did not answer within {after:?}; it may still run: allow more time")
            }
            Delivery::Unknown => write!(
                f,
                "{target} did not answer within {after:?}; it may still run: allow more time, or kill the plugin \
                 if it hangs"
            ),
        }
    }
}

/// The system gives no thread to a process that needs one for a call. The call has not run.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct NoThread {
    /// The method.
    pub target: CallTarget,
    /// What the system said.
    pub reason: String,
    /// Whether the host lacks the thread that watches the deadlines of tasks, so that the call was not sent,
    /// rather than the plugin one to run the method on.
    pub in_caller: bool,
}

impl fmt::Display for NoThread {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { target, reason, in_caller } = self;
        if *in_caller {
            return write!(
                f,
                "{target} was not sent and has not run: the system gives this program no thread to watch its \
                 deadline ({reason}); raise the limit of processes, or have this program use fewer threads"
            );
        }
        write!(
            f,
            "{target} has not run: the system gives the {} no thread for it ({reason}); raise the limit of \
             processes or call less at once",
            target.side()
        )
    }
}

/// A call found no room and did not wait for any.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Busy {
    /// The method.
    pub target: CallTarget,
    /// How many calls are in flight at once, at most.
    pub limit: u32,
}

impl fmt::Display for Busy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} was not sent and has not run: {} calls are in flight, as many as the connection carries; call \
             again when one of them is over, wait for that with `WhenFull::Wait`, or raise `max_in_flight` on both sides",
            self.target, self.limit
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::CallError;

    #[test]
    fn a_busy_plugin_is_told_apart_from_one_that_fails() {
        let target = CallTarget::new("p".into(), "Kv".into(), "get");
        let error = CallError::Busy(Box::new(Busy { target, limit: 64 }));
        assert!(!error.may_have_run());
        assert!(!error.is_disconnected());
        let text = error.to_string();
        for part in
            ["`Kv::get` of plugin `p`", "has not run", "64 calls", "`WhenFull::Wait`", "`max_in_flight`"]
        {
            assert!(text.contains(part), "no {part} in {text}");
        }
    }

    #[test]
    fn what_fails_in_the_host_is_not_told_to_be_a_plugin() {
        let target = || CallTarget::new("".into(), "Counter".into(), "add");
        let argument = Some("amount".to_owned());
        let (message, reason) = ("m".to_owned(), "r".to_owned());
        for (error, expected) in [
            (
                CallError::Panicked(Box::new(Panicked {
                    target: target(),
                    message,
                    location: None,
                    backtrace: None,
                })),
                "`Counter::add` of the host panicked: m; this is a defect of the host",
            ),
            (
                CallError::Unsupported(Box::new(Unsupported { target: target() })),
                "the host was built with a version of the interface `Counter` that has no method `add`: upgrade the host",
            ),
            (
                CallError::Decoding(Box::new(Decoding {
                    target: target(),
                    argument,
                    reason: reason.clone(),
                    in_reply: false,
                })),
                "the host cannot decode the argument `amount` of `Counter::add`: r",
            ),
            (
                CallError::timed_out(target(), Duration::from_secs(1), Delivery::Unknown),
                "`Counter::add` of the host did not answer within 1s; it may still run: allow more time",
            ),
            (
                CallError::NoThread(Box::new(NoThread { target: target(), reason, in_caller: false })),
                "the system gives the host no thread for it",
            ),
        ] {
            let text = error.to_string();
            assert!(text.contains(expected) && !text.contains("plugin `"), "{text}");
        }
    }

    #[test]
    fn a_thread_that_is_lacking_is_told_with_the_side_that_lacks_it() {
        let text = |in_caller| {
            let target = CallTarget::new("p".into(), "Kv".into(), "get");
            let error = CallError::NoThread(Box::new(NoThread { target, reason: "r".to_owned(), in_caller }));
            assert!(!error.may_have_run());
            error.to_string()
        };
        for (in_caller, side) in [(true, "this program no thread"), (false, "the plugin no thread")] {
            for part in ["`Kv::get` of plugin `p`", "has not run", side, "(r)", "limit of processes"] {
                assert!(text(in_caller).contains(part), "no {part} in {}", text(in_caller));
            }
        }
    }
}

/// A callback was called that was lent for the length of a call, which is over.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Cancelled {
    /// The method.
    pub target: CallTarget,
}

impl fmt::Display for Cancelled {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} was lent for the length of a call, and nobody waits for that any more: end the method that has it",
            self.target
        )
    }
}

/// So many calls are made within each other already.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct TooDeep {
    /// The method.
    pub target: CallTarget,
    /// How many calls may run within each other on one thread.
    pub limit: u32,
}

impl fmt::Display for TooDeep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} has not run: {} calls run within each other already, which is the limit; two methods call each \
             other without end, probably",
            self.target, self.limit
        )
    }
}
