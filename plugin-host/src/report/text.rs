//! A crash report for people.

use std::fmt;

use humantime::format_rfc3339_millis;

use super::{CrashPhase, CrashReport, PendingCallReport};

/// The text that stands beside the JSON file: the same content.
impl fmt::Display for CrashReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "plugin `{}`", self.plugin)?;
        if !self.version.is_empty() {
            write!(f, " {}", self.version)?;
        }
        let doing = match self.phase {
            CrashPhase::Start => "could not be started",
            CrashPhase::Running => "ended unexpectedly",
            CrashPhase::Shutdown => "did not end in order",
        };
        writeln!(f, " {doing}: {}\n", self.cause)?;
        writeln!(f, "what:      {}{}", self.kind, self.status())?;
        writeln!(f, "program:   {} ({} arguments)", self.program, self.arguments)?;
        writeln!(f, "process:   {}", self.pid)?;
        writeln!(f, "started:   {}", format_rfc3339_millis(self.started_at))?;
        writeln!(f, "ended:     {}, after {} ms", format_rfc3339_millis(self.ended_at), self.uptime_ms)?;
        writeln!(
            f,
            "calls:     {} made, {} waiting, {} late replies, {} failed oneways",
            self.calls_made, self.pending_calls, self.late_replies, self.failed_oneways
        )?;
        writeln!(
            f,
            "host:      plugin-host {} on {}, wire {}, report schema {}",
            self.host_version, self.platform, self.wire_versions, self.schema
        )?;
        if !self.pending.is_empty() {
            writeln!(f, "\ncalls that waited:")?;
            self.pending.iter().try_for_each(|call| writeln!(f, "    {call}"))?;
            let more = self.pending_calls.saturating_sub(self.pending.len() as u64);
            if more > 0 {
                writeln!(f, "    and {more} more")?;
            }
        }
        if !self.stderr.is_empty() {
            writeln!(f, "\nlast lines of its stderr:")?;
            self.stderr.iter().try_for_each(|line| writeln!(f, "    {line}"))?;
        }
        Ok(())
    }
}

impl CrashReport {
    fn status(&self) -> String {
        match (self.exit_code, self.signal) {
            // As Windows has them, for which everybody looks in this form.
            (Some(code @ ..0), _) => format!(" (exit code {:#x})", code.cast_unsigned()),
            (Some(code), _) => format!(" (exit status {code})"),
            (None, Some(signal)) => format!(" (signal {signal})"),
            (None, None) => String::new(),
        }
    }
}

impl fmt::Display for PendingCallReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let interface = if self.interface.is_empty() { "(object)" } else { &self.interface };
        write!(f, "{interface}::{}", self.method)?;
        if !self.instance.is_empty() {
            write!(f, " of `{}`", self.instance)?;
        }
        write!(f, ", for {} ms", self.age_ms)?;
        if self.oneway { f.write_str(", oneway") } else { Ok(()) }
    }
}
