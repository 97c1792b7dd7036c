//! Peers that do not keep to the rules of objects, streams and callbacks.

use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use super::support::{LIMITS, NO_TIMEOUT, PATIENCE, RawHost, RawPlugin, frame, patience, write_all};
use crate::interface::{Client, method_id};
use crate::io::nested::lent_object;
use crate::io::objects::MAX_OBJECTS;
use crate::io::transport;
use crate::proto::CONTROL_BUDGET;
use crate::proto::codec::decode;
use crate::proto::frame::{Frame, Header, Kind};
use crate::proto::handles::{self, Handle, MAX_HANDLES};
use crate::proto::message::{FailureMessage, ReleaseMessage};
use crate::{CallError, Result, Stream};

const ROOM: usize = 1 << 16;

/// Short, since some tests wait for it.
const STALL: Duration = Duration::from_millis(50);

#[plugin_core::plugin_interface]
trait Lamp: Send + Sync {
    fn shine(&self, hours: u64) -> Result<u64>;
}

#[plugin_core::plugin_interface]
trait Shop {
    fn lamp(&self) -> Result<Box<dyn Lamp>>;
    fn lamps(&self) -> Result<Vec<Box<dyn Lamp>>>;
    fn hours(&self) -> Result<Stream<u64>>;
    fn lend(&self, lamp: Box<dyn Lamp>) -> Result<()>;
    fn visit(&self, visit: &mut dyn FnMut(u64) -> u64) -> Result<u64>;
}

struct Sun;

impl Lamp for Sun {
    fn shine(&self, hours: u64) -> Result<u64> {
        Ok(hours)
    }
}

/// A message that hands objects over.
fn with_handles(header: Header, values: &[u8], handles: &[Handle]) -> Vec<u8> {
    let mut payload = values.to_vec();
    handles::append(handles.iter().copied(), &mut payload);
    with_list(header, &payload)
}

/// A message that says that it does, and may not.
fn with_list(header: Header, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap();
    [&Header { handles: true, length, ..header }.to_bytes()[..], payload].concat()
}

fn reply(call: u64) -> Header {
    Header::of_call(Kind::Reply, call)
}

/// A call of what a call of the host lends, or of an object.
fn nested(call: u64, parent: u64, object: u64) -> Vec<u8> {
    let header = Header { object, nested: true, ..Header::of_call(Kind::Call, call) };
    frame(header, &(NO_TIMEOUT, parent, 7_u64))
}

fn failure(frame: &Frame) -> FailureMessage {
    assert_eq!(frame.header.kind, Kind::FailureReply);
    decode(&frame.payload.head, CONTROL_BUDGET).unwrap()
}

/// What is released next.
fn released(plugin: &mut RawPlugin) -> Vec<u64> {
    let frame = plugin.next();
    assert_eq!(frame.header.kind, Kind::Release);
    decode::<ReleaseMessage>(&frame.payload.head, CONTROL_BUDGET).unwrap().objects
}

#[test]
fn a_list_of_handles_that_is_none_ends_the_connection() {
    let entry = |tag: u8, object: u64| [&[tag][..], &object.to_le_bytes()].concat();
    let count = |count: u32| count.to_le_bytes().to_vec();
    let many = (MAX_HANDLES + 1).try_into().unwrap();
    for (payload, expected) in [
        (Vec::new(), "a Reply frame that cannot be decoded: there is no list of handles"),
        (vec![0; 3], "there is no list of handles"),
        (count(0), "a list of handles has none of them, or too many"),
        (count(many), "a list of handles has none of them, or too many"),
        (count(u32::MAX), "a list of handles has none of them, or too many"),
        ([entry(1, 5), count(2)].concat(), "a list of handles is cut off"),
        ([entry(0, 5), count(1)].concat(), "a handle is of an unknown kind"),
        ([entry(3, 5), count(1)].concat(), "a handle is of an unknown kind"),
        // Objects that this side has never lent.
        ([entry(2, 1), count(1)].concat(), "a frame about object 1, which it does not hold"),
        ([entry(1, 5), entry(2, u64::MAX), count(2)].concat(), "a frame about object 18446744073709551615"),
    ] {
        let (mut plugin, host) = RawPlugin::connect(LIMITS, PATIENCE, ROOM);
        let shop = ShopClient::from_remote(host.remote(1, None));
        thread::scope(|scope| {
            let call = scope.spawn(|| shop.lamp().map(drop));
            let call_id = plugin.next().header.call;
            write_all(&*plugin.transport, &with_list(reply(call_id), &payload));
            let end = host.told.end();
            assert!(end.contains("Violation") && end.contains(expected), "{end}");
            assert!(call.join().unwrap().unwrap_err().is_disconnected());
        });
        assert_eq!(host.connection.held_objects(), 0);
    }
}

#[test]
fn values_that_do_not_fit_the_handles_fail_their_call_alone_and_release_what_was_lent() {
    let place = |places: &[u32]| places.iter().flat_map(|place| place.to_le_bytes()).collect::<Vec<_>>();
    let list = |places: &[u32]| [&(places.len() as u64).to_le_bytes()[..], &place(places)].concat();
    let (mut plugin, host) = RawPlugin::connect(LIMITS, PATIENCE, ROOM);
    let shop = ShopClient::from_remote(host.remote(1, None));
    let lamp: fn(&ShopClient) -> Result<()> = |shop| shop.lamp().map(drop);
    let lamps: fn(&ShopClient) -> Result<()> = |shop| shop.lamps().map(drop);
    let hours: fn(&ShopClient) -> Result<()> = |shop| shop.hours().map(drop);
    for (call, values, objects, expected) in [
        (lamp, place(&[1]), &[70][..], "a value is number 1 of 1 that are handed over"),
        (lamp, place(&[u32::MAX]), &[70], "a value is number 4294967295 of 1"),
        (lamp, Vec::new(), &[70], "the bytes end within a value"),
        (lamp, place(&[0, 0]), &[70], "4 bytes are left over"),
        (lamps, list(&[0, 0]), &[70], "two values are number 0 that is handed over"),
        (lamps, list(&[1, 0, 1]), &[70, 71], "two values are number 1 that is handed over"),
        (lamps, u64::MAX.to_le_bytes().to_vec(), &[70], "the bytes end within a value"),
        (hours, place(&[2]), &[70, 70], "a value is number 2 of 2"),
    ] {
        let error = thread::scope(|scope| {
            let call = scope.spawn(|| call(&shop));
            let header = reply(plugin.next().header.call);
            let handles: Vec<_> = objects.iter().map(|object| Handle::OfSender(*object)).collect();
            write_all(&*plugin.transport, &with_handles(header, &values, &handles));
            call.join().unwrap().unwrap_err()
        });
        assert!(matches!(&error, CallError::Decoding(error) if error.in_reply), "{error:?}");
        assert!(error.to_string().contains(expected), "{error}");
        let mut all = Vec::new();
        while all.len() < objects.len() {
            all.extend(released(&mut plugin));
        }
        all.sort_unstable();
        assert_eq!(all, objects);
    }
    // The same number twice is as good as two numbers for whoever holds it.
    let lamps = thread::scope(|scope| {
        let call = scope.spawn(|| shop.lamps());
        let header = reply(plugin.next().header.call);
        let twice = [Handle::OfSender(70), Handle::OfSender(70)];
        write_all(&*plugin.transport, &with_handles(header, &list(&[0, 1]), &twice));
        call.join().unwrap().unwrap()
    });
    assert_eq!((lamps.len(), host.connection.held_objects()), (2, 2));
    drop(lamps);
    assert_eq!((released(&mut plugin), released(&mut plugin)), (vec![70], vec![70]));
    assert!(!host.told.has_ended());
    host.close();
}

/// Lends an object of the host to a plugin whose bytes the test decides, and gives its number.
fn lend(plugin: &mut RawPlugin, shop: &ShopClient) -> u64 {
    thread::scope(|scope| {
        let call = scope.spawn(|| shop.lend(Box::new(Sun)));
        let mut frame = plugin.next();
        let lent = handles::take(&mut frame.payload.head).unwrap();
        write_all(&*plugin.transport, &frame_of(reply(frame.header.call)));
        call.join().unwrap().unwrap();
        match lent[..] {
            [Handle::OfSender(object)] => object,
            _ => panic!("{lent:?}"),
        }
    })
}

fn frame_of(header: Header) -> Vec<u8> {
    frame(header, &())
}

fn release(objects: &[u64]) -> Vec<u8> {
    frame(Header::bare(Kind::Release), &ReleaseMessage { objects: objects.to_vec() })
}

#[test]
fn what_a_peer_does_not_hold_cannot_be_released() {
    for twice in [false, true] {
        let (mut plugin, host) = RawPlugin::connect(LIMITS, PATIENCE, ROOM);
        let shop = ShopClient::from_remote(host.remote(1, None));
        let object = lend(&mut plugin, &shop);
        assert_eq!(host.connection.lent_objects(), 1);
        let frames = if twice {
            [release(&[object]), release(&[object])].concat()
        } else {
            release(&[object, object])
        };
        write_all(&*plugin.transport, &frames);
        let end = host.told.end();
        assert!(end.contains(&format!("a frame about object {object}, which it does not hold")), "{end}");
        assert_eq!(host.connection.lent_objects(), 0);
    }
}

#[test]
fn calls_of_what_is_not_lent_any_more_or_never_was_are_answered() {
    let (mut plugin, host) = RawPlugin::connect(LIMITS, PATIENCE, ROOM);
    let shop = ShopClient::from_remote(host.remote(1, None));
    let object = lend(&mut plugin, &shop);
    write_all(&*plugin.transport, &release(&[object]));
    let bare =
        |call, object| frame(Header { object, ..Header::of_call(Kind::Call, call) }, &(NO_TIMEOUT, 7_u64));
    for (bytes, expected) in [
        (bare(1, object), FailureMessage::UnknownObject),
        (bare(2, 0), FailureMessage::UnknownObject),
        (bare(3, 1), FailureMessage::UnknownObject),
        (bare(4, u64::MAX >> 1), FailureMessage::UnknownObject),
        (bare(5, lent_object(1, 0)), FailureMessage::CallIsOver),
        // Within calls that were never made, or are over.
        (nested(6, 999, object), FailureMessage::UnknownObject),
        (nested(7, 1, lent_object(1, 0)), FailureMessage::CallIsOver),
        (nested(8, u64::MAX, u64::MAX), FailureMessage::CallIsOver),
    ] {
        write_all(&*plugin.transport, &bytes);
        assert_eq!(failure(&plugin.next()), expected);
    }
    assert!(!host.told.has_ended());
    let short = frame(Header { nested: true, ..Header::of_call(Kind::Call, 9) }, &NO_TIMEOUT);
    write_all(&*plugin.transport, &short);
    let end = host.told.end();
    assert!(end.contains("a Call frame that cannot be decoded: the bytes end within a value"), "{end}");
}

#[test]
fn a_position_that_nothing_was_lent_at_is_answered_while_the_call_goes_on() {
    let (mut plugin, host) = RawPlugin::connect(LIMITS, PATIENCE, ROOM);
    let shop = ShopClient::from_remote(host.remote(1, None));
    let mut seen = Vec::new();
    thread::scope(|scope| {
        let call = scope.spawn(|| {
            shop.visit(&mut |number| {
                seen.push(number);
                number + 1
            })
        });
        let parent = plugin.next().header.call;
        for (id, position) in [(1, 1), (2, u32::MAX)] {
            write_all(&*plugin.transport, &nested(id, parent, lent_object(parent, position)));
            assert_eq!(failure(&plugin.next()), FailureMessage::CallIsOver);
        }
        // Arguments that are none, then some that are.
        let header =
            Header { object: lent_object(parent, 0), nested: true, ..Header::of_call(Kind::Call, 3) };
        write_all(&*plugin.transport, &frame(header, &(NO_TIMEOUT, parent)));
        assert!(matches!(failure(&plugin.next()), FailureMessage::BadArguments { .. }));
        write_all(&*plugin.transport, &nested(4, parent, lent_object(parent, 0)));
        assert_eq!(plugin.next().header, Header { length: 8, ..reply(4) });
        write_all(&*plugin.transport, &frame(reply(parent), &5_u64));
        assert_eq!(call.join().unwrap().unwrap(), 5);
    });
    assert_eq!(seen, [7]);
    host.close();
}

/// The thread that waits would run one after the other, and never look at the clock.
#[test]
fn a_flood_of_callbacks_does_not_hold_a_call_beyond_its_deadline() {
    let (mut plugin, host) = RawPlugin::connect(LIMITS, PATIENCE, ROOM);
    let shop = ShopClient::from_remote(host.remote(1, None)).with_timeout(Duration::from_millis(50));
    let mut visits = 0;
    thread::scope(|scope| {
        let call = scope.spawn(|| {
            shop.visit(&mut |number| {
                visits += 1;
                let until = Instant::now() + Duration::from_millis(1);
                while Instant::now() < until {
                    thread::yield_now();
                }
                number
            })
        });
        let parent = plugin.next().header.call;
        // There is always a next one, and never more than may be.
        let flood = (1..=500).flat_map(|id| nested(id, parent, lent_object(parent, 0)));
        write_all(&*plugin.transport, &flood.collect::<Vec<_>>());
        let error = call.join().unwrap().unwrap_err();
        assert!(error.is_timed_out(), "{error:?}");
        // Those that it has not run are answered all the same, before or after it tells that it waits no longer.
        let frames = (0..501).map(|_| plugin.next()).filter(|frame| frame.header.kind != Kind::Cancel);
        let over =
            frames.filter(|frame| frame.header.kind == Kind::FailureReply).map(|frame| failure(&frame));
        assert!(over.filter(|failure| *failure == FailureMessage::CallIsOver).count() >= 450);
    });
    // There is time for 50 of a millisecond each.
    assert!(visits <= 51, "{visits}");
    host.close();
}

#[test]
fn a_peer_that_lends_more_than_a_million_objects_is_given_up() {
    let (mut plugin, host) = RawPlugin::connect(LIMITS, PATIENCE, ROOM);
    let shop = ShopClient::from_remote(host.remote(1, None));
    let (go_on, is_over) = mpsc::channel::<()>();
    thread::scope(|scope| {
        let call = scope.spawn(move || {
            // While it is busy, what comes for it is held.
            shop.visit(&mut |_| is_over.recv().map_or(0, |()| 0))
        });
        let parent = plugin.next().header.call;
        write_all(&*plugin.transport, &nested(1, parent, lent_object(parent, 0)));
        let handles: Vec<_> = (0..MAX_HANDLES as u64).map(Handle::OfSender).collect();
        let header = Header { object: lent_object(parent, 0), nested: true, ..Header::bare(Kind::Call) };
        let values = [NO_TIMEOUT.to_le_bytes(), parent.to_le_bytes(), 7_u64.to_le_bytes()].concat();
        for id in 2.. {
            let message = with_handles(Header { call: id, ..header }, &values, &handles);
            if transport::write_all(&*plugin.transport, &message, Some(patience())).is_err() {
                break;
            }
        }
        let end = host.told.end();
        assert!(end.contains("more than 1048576 objects at once"), "{end}");
        assert!(host.connection.held_objects() <= MAX_OBJECTS);
        drop(go_on);
        assert!(call.join().unwrap().unwrap_err().is_disconnected());
    });
    assert_eq!(host.connection.held_objects(), 0);
}

#[test]
fn releases_do_not_pile_up_for_a_peer_that_takes_none() {
    let (_plugin, host) = RawPlugin::connect(LIMITS, PATIENCE, 512);
    let released = (0..).take_while(|object| host.connection.writer.release(*object).is_ok()).count();
    // And what was put into frames before.
    assert!(released < 2 * MAX_OBJECTS, "{released}");
    assert!(host.told.end().contains("Stalled"));
}

#[test]
fn batches_that_are_none_are_the_last_item_of_their_stream() {
    let batch = |count: u32, tail: u8, items: &[u8]| [&count.to_le_bytes()[..], &[tail], items].concat();
    let item = |number: u64| number.to_le_bytes();
    let (mut plugin, host) = RawPlugin::connect(LIMITS, PATIENCE, ROOM);
    let shop = ShopClient::from_remote(host.remote(1, None));
    for (lead, payload, items, expected) in [
        (0, Vec::new(), 0, "a batch does not say rightly how many items it has"),
        (0, vec![1, 0, 0, 0], 0, "a batch does not say rightly how many items it has"),
        (0, batch(1, 3, &item(7)), 0, "a batch does not say rightly how many items it has"),
        // It would be asked for again at once, without end.
        (0, batch(0, 0, &[]), 0, "a batch does not say rightly how many items it has"),
        (0, batch(2, 0, &item(7)), 1, "the bytes end within a value"),
        (0, batch(u32::MAX, 1, &item(7)), 1, "the bytes end within a value"),
        (0, batch(1, 1, &[item(7), item(8)].concat()), 0, "8 bytes are left over"),
        (0, batch(0, 1, &item(7)), 0, "a batch does not say rightly how many items it has"),
        (0, batch(1, 1, &item(7)[..5]), 0, "the bytes end within a value"),
        // There is no error behind the items.
        (0, batch(1, 2, &item(7)), 1, "the bytes end within a value"),
        (0, batch(0, 2, &[]), 0, "the bytes end within a value"),
        // The value seems to stand before the large one.
        (9, [batch(1, 0, &[0; 4]), vec![0; 100]].concat(), 0, "96 bytes are left over"),
    ] {
        let mut hours = thread::scope(|scope| {
            let call = scope.spawn(|| shop.hours());
            let header = reply(plugin.next().header.call);
            write_all(&*plugin.transport, &with_handles(header, &[0; 4], &[Handle::OfSender(80)]));
            call.join().unwrap().unwrap()
        });
        thread::scope(|scope| {
            let taken = scope.spawn(|| (hours.by_ref().collect::<Vec<_>>(), hours.next().is_none()));
            let ask = plugin.next();
            assert_eq!((ask.header.object, ask.header.kind), (80, Kind::Call));
            let length = payload.len().try_into().unwrap();
            let header = Header { length, lead, ..reply(ask.header.call) };
            write_all(&*plugin.transport, &[&header.to_bytes()[..], &payload].concat());
            let (mut taken, is_over) = taken.join().unwrap();
            let error = taken.pop().unwrap().unwrap_err();
            assert!(error.to_string().contains(expected), "{error} instead of {expected}");
            assert!(matches!(error, CallError::Decoding(_)), "{error:?}");
            assert!(is_over && taken.len() == items, "{payload:?}: {taken:?}");
        });
        assert_eq!(released(&mut plugin), [80]);
    }
    assert!(!host.told.has_ended());
    host.close();
}

#[test]
fn a_flood_of_calls_that_nobody_waits_for_is_bounded() {
    let oneway = |id| {
        let header = Header { object: 99, oneway: true, ..Header::of_call(Kind::Call, id) };
        frame(header, &(NO_TIMEOUT, 7_u64))
    };
    // Who reads the answers may go on for as long as it likes.
    let (mut plugin, host) = RawPlugin::connect(LIMITS, PATIENCE, ROOM);
    let calls = 1..=5000;
    for ids in calls.collect::<Vec<_>>().chunks(LIMITS.in_flight as usize) {
        let frames: Vec<_> = ids.iter().flat_map(|id| oneway(*id)).collect();
        write_all(&*plugin.transport, &frames);
        for id in ids {
            let frame = plugin.next();
            assert_eq!((frame.header.call, failure(&frame)), (*id, FailureMessage::UnknownObject));
        }
    }
    host.close();

    // Who does not is given up.
    let (plugin, host) = RawPlugin::connect(LIMITS, STALL, 512);
    for id in 1.. {
        if transport::write_all(&*plugin.transport, &oneway(id), Some(patience())).is_err() {
            break;
        }
    }
    let end = host.told.end();
    assert!(end.contains("Stalled") || end.contains("more than the agreed 64 calls at once"), "{end}");
}

#[test]
fn a_host_that_breaks_the_rules_of_objects_ends_the_plugin() {
    let call = Header { object: 1, method: method_id("echo"), ..Header::of_call(Kind::Call, 1) };
    let values = NO_TIMEOUT.to_le_bytes();
    for (bytes, expected) in [
        (with_list(call, &values), "a Call frame that cannot be decoded: a list of handles has none"),
        (
            with_list(call, &[&values[..], &[0xff; 4]].concat()),
            "a list of handles has none of them, or too many",
        ),
        (
            with_handles(call, &values, &[Handle::OfReceiver(7)]),
            "a frame about object 7, which it does not hold",
        ),
        (
            with_handles(call, &values, &[Handle::OfReceiver(1)]),
            "a frame about object 1, which it does not hold",
        ),
        (release(&[1 << 63]), "a frame about object 9223372036854775808, which it does not hold"),
        (frame(Header::bare(Kind::Release), &u64::MAX), "a Release frame that cannot be decoded"),
        (
            frame(Header { nested: true, ..call }, &NO_TIMEOUT),
            "a Call frame that cannot be decoded: the bytes end within a value",
        ),
    ] {
        let host = RawHost::connect(LIMITS, ROOM);
        write_all(&*host.transport, &bytes);
        let end = host.plugin_end();
        assert!(end.contains("Failed") && end.contains(expected), "{end}");
    }
}

/// What it does when it is dropped is the program's own.
struct Fragile;

impl Lamp for Fragile {
    fn shine(&self, hours: u64) -> Result<u64> {
        Ok(hours)
    }
}

impl Drop for Fragile {
    fn drop(&mut self) {
        panic!("it broke");
    }
}

#[test]
fn an_object_whose_destructor_panics_is_released_with_one_that_is_not_held() {
    let (mut plugin, host) = RawPlugin::connect(LIMITS, PATIENCE, ROOM);
    let shop = ShopClient::from_remote(host.remote(1, None));
    let lent = thread::scope(|scope| {
        let call = scope.spawn(|| shop.lend(Box::new(Fragile)));
        let mut frame = plugin.next();
        let lent = handles::take(&mut frame.payload.head).unwrap();
        plugin.send(reply(frame.header.call), &());
        call.join().unwrap().unwrap();
        lent
    });
    let [Handle::OfSender(lamp)] = lent[..] else { panic!("{lent:?}") };
    let release = ReleaseMessage { objects: vec![lamp, 999] };
    write_all(&*plugin.transport, &frame(Header::bare(Kind::Release), &release));
    assert!(host.told.end().contains("object 999"));
    assert!(shop.lamp().err().unwrap().is_disconnected());
}
