//! Takes notes, as fast as the door lets them in.

use std::sync::{Condvar, Mutex, PoisonError};

use plugin_core::Result;
use tests::Notes;

use crate::lock;

/// Notes, and a door before them.
#[derive(Default)]
pub(super) struct Pad {
    state: Mutex<State>,
    opened: Condvar,
}

#[derive(Default)]
struct State {
    notes: Vec<u64>,
    is_shut: bool,
}

impl Notes for Pad {
    fn note(&self, number: u64) {
        let state = lock(&self.state);
        let opened = self.opened.wait_while(state, |state| state.is_shut);
        opened.unwrap_or_else(PoisonError::into_inner).notes.push(number);
    }
    fn note_checked(&self, number: u64) -> Result<()> {
        self.note(number);
        Ok(())
    }
    fn note_text(&self, text: &str) -> Result<()> {
        self.note(text.len() as u64);
        Ok(())
    }
    fn crack(&self) {
        panic!("the pencil broke")
    }
    fn fail(&self) -> Result<()> {
        Err("there is no paper".into())
    }
    fn noted(&self) -> Result<Vec<u64>> {
        Ok(lock(&self.state).notes.clone())
    }
    fn shut(&self) -> Result<()> {
        lock(&self.state).is_shut = true;
        Ok(())
    }
    fn open(&self) -> Result<()> {
        lock(&self.state).is_shut = false;
        self.opened.notify_all();
        Ok(())
    }
}
