//! The codec alone; what hostile messages cost is measured in tests/hostile_payloads.rs.

mod golden;
mod limits;
mod round_trip;
