//! What people can do about files with the tools of this system.

/// How to attach a debugger to a process.
pub(crate) fn debug(process: u32) -> String {
    format!("`gdb -p {process}` or `lldb -p {process}`")
}

/// About a file that cannot be executed.
pub(crate) const MAKE_EXECUTABLE: &str = "`chmod +x` it, and check the directories above it";

/// About a file that is no program.
pub(crate) const MAKE_A_PROGRAM: &str = "build the plugin for this machine, or give a script its `#!` line";

/// About a file that belongs to another user.
pub(crate) const TAKE_OVER: &str = "`chown` it to this user or root";

/// About a file or directory that every user may write to.
pub(crate) const PROTECT: &str = "`chmod o-w` it";

/// About a directory of this user's that others have rights to; what is wrong with it, and what to do.
pub(crate) fn close_to_others(mode: u32) -> (String, &'static str) {
    (format!("its mode is {mode:03o}"), "`chmod 700` it")
}
