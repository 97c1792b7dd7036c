//! What a process prints, and its end.

use std::os::windows::io::AsRawHandle;

use plugin_core::__host::handle::wait_any;

use super::output::{Pipe, Reading};
use super::process::ProcessHandle;
use crate::output::StreamName;
use crate::process::Watched;

/// How much output is still read once the process has ended. What it wrote itself fits, since a pipe
/// holds less; a child of it that goes on writing must not keep the host busy.
const MAX_LAST_OUTPUT: usize = 1024 * 1024;

/// Reads what the process prints, and gives its exit status once it has ended.
pub(crate) fn watch(
    process: &ProcessHandle,
    stdout: Option<Pipe>,
    stderr: Option<Pipe>,
    mut give: impl FnMut(StreamName, &[u8]),
) -> Watched {
    let pipes = [(StreamName::Stdout, stdout), (StreamName::Stderr, stderr)];
    let mut streams: Vec<Reading> = pipes
        .into_iter()
        // What cannot be read without waiting for it alone is closed: the host must not wait on it.
        .filter_map(|(name, pipe)| Reading::new(name, pipe?).ok())
        .collect();
    // The process first: what is left of its output is read after its end as well.
    let mut others = vec![process.raw().as_raw_handle()];
    others.extend(process.let_go_event());
    loop {
        streams.retain_mut(Reading::start);
        let mut handles = others.clone();
        handles.extend(streams.iter().map(Reading::ended));
        match wait_any(&handles, None) {
            Ok(Some(0)) => break,
            Ok(Some(index)) if index < others.len() => return Watched::LetGo,
            Ok(Some(index)) => {
                let index = index - others.len();
                let name = streams[index].name;
                match streams[index].take() {
                    Some(bytes) => give(name, bytes),
                    None => drop(streams.remove(index)),
                }
            }
            // All are ours and open, so this does not happen; who cannot watch takes the process for gone.
            Ok(None) | Err(_) => break,
        }
    }
    let mut read = 0;
    loop {
        let before = read;
        streams.retain_mut(|stream| {
            // What is there already ends a read at once.
            if !stream.start() {
                return false;
            }
            let (name, has_ended) = (stream.name, stream.has_ended());
            if !has_ended {
                return true;
            }
            let Some(bytes) = stream.take() else { return false };
            read += bytes.len();
            give(name, bytes);
            true
        });
        if read == before || read >= MAX_LAST_OUTPUT {
            break;
        }
    }
    Watched::Ended(process.reap())
}
