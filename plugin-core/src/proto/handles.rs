//! The list at the end of a message that hands objects over.
//!
//! A value names an object by its place in this list. So whoever gets a message knows all that it was given
//! before it decodes anything, and gives it back when nothing is decoded at all.

use super::codec::DecodeError;

/// The most objects in one message. It bounds how much a message can be longer than its values; who has more to
/// give sends them one by one.
pub(crate) const MAX_HANDLES: usize = 4096;

/// The longest list in bytes.
pub(crate) const MAX_HANDLES_LEN: u32 = (MAX_HANDLES * HANDLE_LEN + COUNT_LEN) as u32;

const HANDLE_LEN: usize = 9;
const COUNT_LEN: usize = size_of::<u32>();

/// An object that a message hands over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Handle {
    /// One of the sender, which the receiver may call until it releases it.
    OfSender(u64),
    /// One of the receiver, which it gets back.
    OfReceiver(u64),
}

impl Handle {
    fn to_wire(self) -> (u8, u64) {
        match self {
            Self::OfSender(object) => (1, object),
            Self::OfReceiver(object) => (2, object),
        }
    }

    fn from_wire(tag: u8, object: u64) -> Option<Self> {
        match tag {
            1 => Some(Self::OfSender(object)),
            2 => Some(Self::OfReceiver(object)),
            _ => None,
        }
    }
}

/// Appends the list to the values of a message.
pub(crate) fn append(handles: impl ExactSizeIterator<Item = Handle>, values: &mut Vec<u8>) {
    let count = u32::try_from(handles.len()).expect("a message has fewer handles");
    for handle in handles {
        let (tag, object) = handle.to_wire();
        values.push(tag);
        values.extend_from_slice(&object.to_le_bytes());
    }
    values.extend_from_slice(&count.to_le_bytes());
}

/// Takes the list off the values of a message.
///
/// # Errors
/// When there is no list of this form.
pub(crate) fn take(values: &mut Vec<u8>) -> Result<Vec<Handle>, DecodeError> {
    let invalid = |reason: &str| DecodeError::Invalid { reason: reason.to_owned() };
    let (rest, count) = values.split_last_chunk().ok_or_else(|| invalid("there is no list of handles"))?;
    let count = u32::from_le_bytes(*count) as usize;
    if count == 0 || count > MAX_HANDLES {
        return Err(invalid("a list of handles has none of them, or too many"));
    }
    let start =
        rest.len().checked_sub(count * HANDLE_LEN).ok_or_else(|| invalid("a list of handles is cut off"))?;
    let handles = rest[start..]
        .chunks_exact(HANDLE_LEN)
        .map(|bytes| {
            let (tag, object) = bytes.split_first().expect("a chunk has bytes");
            let object = object.try_into().map(u64::from_le_bytes).expect("a chunk has this length");
            Handle::from_wire(*tag, object).ok_or_else(|| invalid("a handle is of an unknown kind"))
        })
        .collect::<Result<_, _>>()?;
    values.truncate(start);
    Ok(handles)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_comes_off_as_it_was_put_on() {
        let handles = vec![Handle::OfSender(7), Handle::OfReceiver(u64::MAX)];
        let mut values = b"values".to_vec();
        append(handles.iter().copied(), &mut values);
        assert_eq!(values.len(), b"values".len() + 2 * HANDLE_LEN + COUNT_LEN);
        assert_eq!(take(&mut values).unwrap(), handles);
        assert_eq!(values, b"values");
    }

    #[test]
    fn what_is_no_list_is_refused() {
        let entry = |tag: u8| [&[tag][..], &7_u64.to_le_bytes()].concat();
        let list = |entries: &[u8], count: u32| [entries, &count.to_le_bytes()].concat();
        for bytes in [
            Vec::new(),
            vec![1, 0, 0],
            list(&[], 0),
            list(&entry(1), 2),
            list(&entry(1)[1..], 1),
            list(&entry(3), 1),
            list(&entry(0), 1),
            list(&[], u32::MAX),
        ] {
            let before = bytes.clone();
            let mut bytes = bytes;
            assert!(take(&mut bytes).is_err(), "{before:?}");
            assert_eq!(bytes, before);
        }
    }
}
