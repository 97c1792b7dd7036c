//! How a thread that waits for a reply reads: for itself and for others, and runs what the peer calls within its call.

use std::io;
use std::sync::Arc;
use std::time::Instant;

use super::arrived::{Next, Order};
use super::calls::{NextReader, Settled};
use super::connection::{Connection, Side};
use super::lead::Returned;
use super::nested::Panic;
use super::now;
use super::objects::Received;
use super::reader::{FrameReader, ReadEnd};
use super::server::Stop;
use super::slot::{Slot, Wake};
use crate::callback::Callback;
use crate::proto::frame::{Header, Kind, Stage};

/// Why a thread that reads for its own call stops.
enum Pause {
    /// The reply is there.
    Replied,
    /// There is a call for it to run.
    Nested,
    /// Something has to be done that only the thread which serves the plugin does.
    Serve(Order),
}

impl Connection {
    /// Waits for a reply, and reads it if nobody else does. Runs what the peer calls meanwhile.
    pub(super) fn await_reply(
        self: &Arc<Self>,
        call: u64,
        slot: &Slot<Settled>,
        callbacks: &[&dyn Callback],
        deadline: Option<Instant>,
    ) -> Result<Option<Settled>, Panic> {
        loop {
            let mut wake = None;
            if let Some(mut reader) = self.side.sit() {
                // The runner may hold some back, and does not come back for the reader now.
                self.flush();
                let mut reply = slot.take();
                match self.read_for(&mut reader, call, slot, &mut reply, deadline) {
                    Ok(Pause::Replied) => {
                        self.leave(reader);
                        return Ok(reply);
                    }
                    Ok(Pause::Serve(order)) => {
                        self.hand_over(reader, order);
                        if reply.is_some() {
                            return Ok(reply);
                        }
                    }
                    Ok(Pause::Nested) => {
                        // It takes the call, before somebody who leaves the seat counts on this thread to read.
                        wake = Some(slot.sleep(deadline));
                        self.leave(reader);
                    }
                    Err(ReadEnd::Io(error)) if error.kind() == io::ErrorKind::TimedOut => {
                        self.leave(reader);
                        return Ok(None);
                    }
                    // The background thread ends all calls, this one as well.
                    Err(end) => {
                        self.end_stream(end);
                        if reply.is_some() {
                            return Ok(reply);
                        }
                    }
                }
            }
            match wake.unwrap_or_else(|| slot.sleep(deadline)) {
                Wake::Filled(settled) => return Ok(Some(settled)),
                Wake::Nested { call, was_nudged } => {
                    if was_nudged {
                        self.pass_on();
                    }
                    self.run_nested(call, callbacks)?;
                    slot.end_nested();
                    // A peer that always has another call ready would never let this thread see the time.
                    if deadline.is_some_and(|at| at <= now()) {
                        return Ok(None);
                    }
                }
                Wake::Nudged => {}
                Wake::Deadline => return Ok(None),
            }
        }
    }

    /// Reads and hands out frames until there is the reply to this call, or something else to do.
    fn read_for(
        self: &Arc<Self>,
        reader: &mut FrameReader,
        call: u64,
        slot: &Slot<Settled>,
        reply: &mut Option<Settled>,
        deadline: Option<Instant>,
    ) -> Result<Pause, ReadEnd> {
        // Somebody else has read it before this thread sat down.
        if reply.is_none() && slot.has_nested() {
            return Ok(Pause::Nested);
        }
        let mut pause = Pause::Replied;
        while reply.is_none() {
            let mut frame = reader.next_frame_soon(deadline)?;
            let Header { kind, .. } = frame.header;
            if frame.header.call == call && kind.is_answer() && frame.stage != Stage::Begun {
                // It need not go through the slot.
                let handles = self.accept_handles(&mut frame)?;
                self.calls.settle(&frame.header)?;
                *reply = Some(Ok(Received { frame, handles }));
                break;
            }
            match self.handle(frame)? {
                Next::Read if kind == Kind::Call && slot.has_nested() => {
                    pause = Pause::Nested;
                    break;
                }
                Next::Read => {}
                Next::Call { call, .. } => self.submit(call),
                Next::Serve(order) => return Ok(Pause::Serve(order)),
            }
        }
        // What is here already costs no system call: it is handed out before the seat is left.
        while let Some(frame) = reader.next_buffered()? {
            match self.handle(frame)? {
                Next::Read => {}
                Next::Call { call, .. } => self.submit(call),
                Next::Serve(order) => return Ok(Pause::Serve(order)),
            }
        }
        Ok(pause)
    }

    /// Leaves the seat, to somebody who waits.
    fn leave(&self, reader: FrameReader) {
        self.side.leave(reader);
        self.pass_on();
    }

    /// Leaves the seat to the thread that serves the plugin, for something to be done there.
    fn hand_over(&self, reader: FrameReader, order: Order) {
        match &self.side {
            // Plugins order nothing.
            Side::Host(_) => self.leave(reader),
            Side::Plugin(lead) => lead.give_back(Returned::Stop(Stop::of(order, reader))),
        }
    }

    /// Has somebody read who waits.
    pub(super) fn pass_on(&self) {
        loop {
            match self.calls.next_reader() {
                NextReader::Thread(slot) if !slot.nudge() => continue,
                NextReader::Thread(_) | NextReader::Nobody => {}
                NextReader::Attendant => self.side.summon(),
            }
            return;
        }
    }
}

impl Side {
    /// Sits down to read, if nobody does.
    fn sit(&self) -> Option<FrameReader> {
        match self {
            Self::Host(host) => host.seat.sit(),
            Self::Plugin(lead) => lead.reclaim(),
        }
    }

    fn leave(&self, reader: FrameReader) {
        match self {
            Self::Host(host) => host.seat.leave(reader),
            Self::Plugin(lead) => lead.park(reader),
        }
    }

    /// Has the thread read that reads for others.
    pub(super) fn summon(&self) {
        match self {
            Self::Host(host) => host.seat.summon(),
            Self::Plugin(lead) => lead.summon(),
        }
    }
}
