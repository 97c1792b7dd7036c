//! Objects that a method drops while it runs: their release is held back for the reply, and for nothing longer.

use std::sync::Arc;

use shuttle::thread;

use super::server::{Methods, Served, WAIT};
use super::support::{ECHO, call, coin, limits, sealed, send};
use super::{Clock, check};
use crate::conduct::Conduct;
use crate::incoming::{Outcome, Request};
use crate::interface::{Interface, Service};
use crate::io::connection::Connection;
use crate::io::reader::FrameReader;
use crate::io::transport::{Transport, memory};
use crate::io::writer::FrameWriter;
use crate::proto::codec::Message;
use crate::proto::frame::{Header, Kind};
use crate::proto::handles::{self, Handle};

/// Drops what a call hands over, and then waits until the peer has seen that.
struct Drops(Served);

impl Service for Drops {
    fn interface(&self) -> Interface {
        self.0.interface()
    }

    fn dispatch(&self, request: Request) -> Outcome {
        drop(request);
        self.0.0.wait();
        Outcome::Now(Ok(crate::incoming::Reply { kind: Kind::Reply, message: Message::new() }))
    }
}

/// Whoever reads meanwhile: the monitor, or a thread of the plugin that waits for the host and gets no reply earlier.
#[test]
fn a_release_is_not_held_back_for_a_method_that_goes_on() {
    check(200, Clock::Ticks, || {
        let (ours, theirs) = memory::pair(256);
        let (ours, theirs): (Arc<dyn Transport>, Arc<dyn Transport>) = (Arc::new(ours), Arc::new(theirs));
        let methods = Arc::new(Methods::default());
        let service: Arc<dyn Service> = Arc::new(Drops(Served(Arc::clone(&methods))));
        let writer = FrameWriter::new(Arc::clone(&theirs), None, None);
        let connection = Connection::of_plugin(
            Arc::clone(&theirs),
            Arc::clone(&writer),
            vec![service],
            limits(8),
            limits(8),
            Conduct::default(),
        );
        let plugin = thread::spawn({
            let connection = Arc::clone(&connection);
            move || {
                connection.serve(FrameReader::new(theirs, 1024));
                writer.close();
            }
        });
        let calling = coin().then(|| thread::spawn(move || call(&connection, ECHO, 1, None).unwrap()));

        let mut payload = vec![0; 8];
        handles::append([Handle::OfSender(77)].into_iter(), &mut payload);
        let header = Header { object: 1, method: WAIT, handles: true, ..Header::of_call(Kind::Call, 1) };
        send(&*ours, &sealed(header, &payload));

        let mut reader = FrameReader::new(Arc::clone(&ours), u32::MAX);
        let (mut asked, mut has_released, mut has_replied) = (None, false, false);
        while !has_released || !has_replied || (calling.is_some() && asked.is_none()) {
            let header = reader.next_frame(None).unwrap().header;
            match header.kind {
                Kind::Release => {
                    has_released = true;
                    methods.open();
                }
                Kind::Reply => has_replied = true,
                Kind::Call => asked = Some(header.call),
                other => panic!("{other:?}"),
            }
        }
        if let Some(call) = asked {
            send(&*ours, &sealed(Header::of_call(Kind::Reply, call), &[1]));
        }
        if let Some(calling) = calling {
            assert_eq!(calling.join().unwrap(), 1);
        }
        ours.shut_down();
        plugin.join().unwrap();
    });
}
