//! The plugin of the `counter` example. `counter` starts it.

use std::collections::HashMap;
use std::process::ExitCode;
use std::sync::{Mutex, PoisonError};

use examples::counter::{AddHelper, Counter, CounterServer};
use plugin_core::{Plugin, Result};

#[derive(Default, Plugin)]
#[plugin(interfaces(Counter), name = "counter")]
struct Memory(Mutex<HashMap<String, i64>>);

impl Counter for Memory {
    fn put(&self, key: &str, value: i64, add: &dyn AddHelper) -> Result<()> {
        // Held while the host adds: of two calls at once one would be lost otherwise.
        let mut sums = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let sum = add.sum(sums.get(key).copied().unwrap_or(0), value)?;
        sums.insert(key.to_owned(), sum);
        Ok(())
    }

    fn get(&self, key: &str) -> Result<i64> {
        let sums = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(sums.get(key).copied().unwrap_or(0))
    }
}

fn main() -> ExitCode {
    plugin_core::serve(Memory::default())
}
