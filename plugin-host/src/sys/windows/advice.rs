//! What people can do about files with the tools of this system.

/// How to attach a debugger to a process.
pub(crate) fn debug(process: u32) -> String {
    format!("`gdb -p {process}`, `windbg -p {process}` or Visual Studio")
}

/// About a file that cannot be executed.
pub(crate) const MAKE_EXECUTABLE: &str =
    "give this user the right to execute it, and check what guards this machine against unknown programs";

/// About a file that is no program.
pub(crate) const MAKE_A_PROGRAM: &str =
    "build the plugin for this machine, or name the `.exe` that a script would start";

/// About a file that belongs to another user.
pub(crate) const TAKE_OVER: &str = "make this user or the administrators its owner, with `takeown`,";

/// About a file or directory that every user may write to.
pub(crate) const PROTECT: &str = "take that right away with `icacls`";

/// About a directory of this user's that others have rights to; what is wrong with it, and what to do.
pub(crate) fn close_to_others(_: u32) -> (String, &'static str) {
    let what = "as `icacls` shows".to_owned();
    (what, "leave only this user there, with `icacls /inheritance:r /grant:r \"%USERNAME%:(OI)(CI)F\"`")
}
