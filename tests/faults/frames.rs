//! Frames and values that are cut, too long, or just short enough.

use plugin_core::{CallError, DisconnectCause};
use tests::{Echo, EchoClient, Row, Shapes, ShapesClient};

use crate::cases::payload::{HOSTILE, HOSTILE_ERRORS};
use crate::cases::{session, start};
use crate::memory::peak_of;
use crate::support::{Raw, assert_says, cause, start as start_thread, well_behaved};

/// How much memory a header may cost that promises 4 GiB, in KiB: what a host takes for any plugin.
const HEADER_COSTS: usize = 1024;

/// Runs things that mostly wait, at the same time.
pub(crate) fn at_once(cases: &[fn()]) {
    let threads: Vec<_> = cases.iter().map(|case| start_thread(*case)).collect();
    for thread in threads {
        if let Err(panic) = thread.join() {
            std::panic::resume_unwind(panic);
        }
    }
}

/// Runs the starts of these names.
pub(crate) fn starts(names: &[&str]) {
    for name in names {
        let case = start::WRONG.iter().find(|case| case.behaviour == *name);
        case.unwrap_or_else(|| panic!("no start is called {name}")).run();
    }
}

/// Runs starts that take too long, at the same time.
pub(crate) fn slow_starts(names: &[&str]) {
    let find = |name: &&str| start::TOO_SLOW.iter().find(|case| case.behaviour == *name);
    let cases: Vec<_> =
        names.iter().map(|name| find(name).unwrap_or_else(|| panic!("no start is called {name}"))).collect();
    let threads: Vec<_> = cases.into_iter().map(|case| start_thread(|| case.run())).collect();
    threads.into_iter().for_each(|thread| thread.join().unwrap());
}

/// A hello that promises more than any may have is refused before there is memory for it.
pub(crate) fn starts_that_promise_too_much() {
    let ((), peak) = peak_of(|| starts(&["length 4 GiB", "length over the limit"]));
    assert!(peak < HEADER_COSTS, "{peak} KiB");
}

/// Runs the sessions of these names.
pub(crate) fn sessions(names: &[&str]) {
    for name in names {
        let case = session::FATAL.iter().find(|case| case.behaviour == *name);
        case.unwrap_or_else(|| panic!("no session is called {name}")).run();
    }
}

/// Runs the payloads whose names begin like that, as replies and as the arguments of calls of the plugin.
pub(crate) fn payloads(beginnings: &[&str]) {
    for beginning in beginnings {
        let cases: Vec<_> = HOSTILE.iter().filter(|case| case.name.starts_with(beginning)).collect();
        assert!(!cases.is_empty(), "no payload is called {beginning}");
        for case in cases {
            case.run();
            case.run_as_arguments();
        }
    }
}

/// The errors of methods, and the reasons that the runtime gives.
pub(crate) fn error_payloads() {
    HOSTILE_ERRORS.iter().for_each(|(behaviour, case)| case.run_as(behaviour));
}

/// A structure that is cut at each of its bytes.
pub(crate) fn rows_cut_everywhere() {
    let whole = [
        &7_u64.to_le_bytes()[..],
        &5_u64.to_le_bytes(),
        b"apple",
        &1_u64.to_le_bytes(),
        &3_u64.to_le_bytes(),
        b"red",
        &[1],
        &1.5_f64.to_le_bytes(),
    ]
    .concat();
    let row = |bytes: &[u8]| {
        let raw = Raw::new();
        let plugin = raw.answering("answers", bytes).spawn().unwrap();
        let outcome = plugin.client::<ShapesClient>().unwrap().row();
        plugin.shutdown().unwrap();
        outcome
    };
    let expected = Row { id: 7, name: "apple".into(), tags: vec!["red".into()], weight: Some(1.5) };
    assert_eq!(row(&whole).unwrap(), expected);
    for length in 0..whole.len() {
        let error = row(&whole[..length]).unwrap_err();
        assert!(matches!(error, CallError::Decoding(_)), "{length}: {error:?}");
        assert_says(&error, &["the reply of `Shapes::row`", "the bytes end within a value"]);
    }
}

/// As deep as a value may be, and one level more.
pub(crate) fn trees_around_the_limit() {
    let tree = |levels: usize| {
        let raw = Raw::new();
        let bytes = [1_u32.to_le_bytes().repeat(levels), 0_u32.to_le_bytes().to_vec()].concat();
        let plugin = raw.answering("answers", &bytes).spawn().unwrap();
        let outcome = plugin.client::<ShapesClient>().unwrap().tree();
        plugin.shutdown().unwrap();
        outcome.map(drop)
    };
    let deepest = (1..).take_while(|tens| tree(tens * 10).is_ok()).last().unwrap() * 10;
    let deepest = (deepest..).take_while(|levels| tree(*levels).is_ok()).last().unwrap();
    assert!((60..=128).contains(&deepest), "{deepest}");
    assert_says(&tree(deepest + 1).unwrap_err(), &["nested more than 128 levels"]);
}

/// Frames of one byte a write, and of many a write, are the same.
pub(crate) fn bytes_one_by_one() {
    let raw = Raw::new();
    let plugin = raw.launcher("answers byte by byte").spawn().unwrap();
    let shapes: ShapesClient = plugin.client().unwrap();
    for number in 0..100 {
        assert_eq!(shapes.number(number).unwrap(), number);
    }
    plugin.shutdown().unwrap();
    raw.wait_until_gone();
}

/// Replies of no bytes, of as many as were agreed, and of one more.
pub(crate) fn replies_around_the_limit() {
    const LIMIT: usize = 1 << 20;
    let text = |length: usize| {
        let raw = Raw::new();
        let mut bytes = vec![b'x'; length];
        if let Some(count) = length.checked_sub(8) {
            bytes[..8].copy_from_slice(&(count as u64).to_le_bytes());
        }
        let plugin = raw.answering("answers", &bytes).max_message(1 << 20).spawn().unwrap();
        plugin.client::<ShapesClient>().unwrap().text()
    };
    assert!(matches!(text(0).unwrap_err(), CallError::Decoding(_)));
    assert_eq!(text(LIMIT).unwrap().len(), LIMIT - 8);
    let error = text(LIMIT + 1).unwrap_err();
    assert!(matches!(cause(&error), DisconnectCause::BrokeProtocol { .. }), "{error:?}");
    assert_says(&error, &["a message of 1048577 bytes", "limit of 1048576"]);
}

/// A call that is larger than either side allows fails here, and nothing else does.
pub(crate) fn arguments_over_the_limit() {
    for mut launcher in [well_behaved(&["small"]), well_behaved(&[]).max_message(64 * 1024)] {
        let plugin = launcher.spawn().unwrap();
        let echo: EchoClient = plugin.client().unwrap();
        let error = echo.bytes(&vec![0; 1 << 20]).unwrap_err();
        assert!(matches!(error, CallError::TooLarge(_)) && !error.may_have_run(), "{error:?}");
        assert_eq!(echo.number(7).unwrap(), 7);
        plugin.shutdown().unwrap();
    }
}
