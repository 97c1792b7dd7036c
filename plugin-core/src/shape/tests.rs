//! Every shape writes the bytes that serde alone writes, and reads them back.
