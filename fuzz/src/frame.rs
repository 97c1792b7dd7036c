//! What must hold of any stream of bytes that is read as frames. Also run on the seeds by the tests of
//! plugin-core.

use plugin_core::__fuzz::read_frames;

/// The limit of calls and values; other frames may have more.
const LIMIT: u32 = 1 << 16;

/// Reads the stream in `data` at once and in pieces. `data` begins with a number of pieces, then has the
/// size of each; the stream is the rest.
///
/// # Panics
/// When something does not hold that must.
pub(crate) fn check(data: &[u8]) {
    let Some((&count, rest)) = data.split_first() else { return };
    let (pieces, stream) = rest.split_at(rest.len().min(usize::from(count)));

    let whole = read_frames(stream, LIMIT, []);
    let bytes = whole.encoded();
    assert!(stream.starts_with(&bytes), "frames are what was sent");
    if whole.error.is_none() {
        assert_eq!(whole.is_between_frames, bytes.len() == stream.len(), "the end is between frames");
    }

    let split = read_frames(stream, LIMIT, pieces.iter().map(|&size| usize::from(size)));
    assert_eq!(split.error, whole.error, "the split makes no difference");
    assert!(split.encoded() == bytes, "the split makes no difference");
    if whole.error.is_none() {
        assert_eq!(split, whole, "the split makes no difference");
    }
}
