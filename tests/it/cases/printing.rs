//! What plugins print: it reaches the host as lines, and disturbs no call.

use std::io::{self, Write};
use std::sync::{Arc, Mutex};

use plugin_host::{Launcher, Output};
use tests::{Echo, EchoClient, Printer, PrinterClient};

use crate::support::{in_time, wait_for, well_behaved};

/// The longest line; what is longer comes in pieces.
const LONGEST: usize = 16 * 1024;

/// A writer that the test can look into.
#[derive(Clone, Default)]
pub(crate) struct Captured(Arc<Mutex<Vec<u8>>>);

impl Write for Captured {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Captured {
    pub(crate) fn output(&self) -> Output {
        Output::Writer(Box::new(self.clone()))
    }
    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.0.lock().unwrap()).into_owned()
    }
    pub(crate) fn bytes(&self) -> Vec<u8> {
        self.0.lock().unwrap().clone()
    }
}

pub(crate) fn captured(launcher: Launcher) -> (Launcher, Captured, Captured) {
    let (out, err) = (Captured::default(), Captured::default());
    (launcher.stdout(out.output()).stderr(err.output()), out, err)
}

pub(crate) fn lines_arrive_from_before_the_hello_to_the_end() {
    let (mut launcher, out, err) = captured(well_behaved(&["early"]));
    let plugin = launcher.spawn().unwrap();
    let printer: PrinterClient = plugin.client().unwrap();
    printer.print(true, b", now with one\r\n\nlast").unwrap();
    printer.print(false, b"late on stderr").unwrap();
    plugin.shutdown().unwrap();
    assert_eq!(out.text(), "early on stdout\nwithout an end, now with one\n\nlast\n");
    assert_eq!(err.text(), "early on stderr\nlate on stderr\n");
}

pub(crate) fn nothing_that_is_printed_disturbs_calls() {
    in_time("calls of a plugin that prints", || {
        let (mut launcher, out, err) = captured(well_behaved(&[]));
        let plugin = launcher.spawn().unwrap();
        let printer: PrinterClient = plugin.client().unwrap();
        let echo: EchoClient = plugin.client().unwrap();
        let garbage: Vec<u8> = (0..=255).cycle().take(10_000).collect();
        // Two of them are a mebibyte. Of more at once a host that is slow would lose some.
        let half_a_line = vec![b'x'; 1 << 19];
        let mut printed = 0;
        let protocol = b"\x89PLUG\r\n\x1a\x01\0\x01\0\0\0\0\0";
        for (number, bytes) in
            [&b"a line\n"[..], b"no end", &half_a_line, &half_a_line, &garbage, protocol, b"\0\0\0\n"]
                .into_iter()
                .enumerate()
        {
            for to_stdout in [true, false] {
                printer.print(to_stdout, bytes).unwrap();
                assert_eq!(echo.number(number as u64).unwrap(), number as u64);
            }
            printed += bytes.len();
            for captured in [&out, &err] {
                // But for a line that may go on.
                wait_for("the lines arrive", || captured.bytes().len() + LONGEST >= printed);
            }
        }
        plugin.shutdown().unwrap();
        for captured in [out, err] {
            let bytes = captured.bytes();
            assert!(bytes.starts_with(b"a line\nno end"));
            // Broken into lines that a host can hold, and nothing lost.
            let longest = bytes.split(|byte| *byte == b'\n').map(<[u8]>::len).max().unwrap();
            assert_eq!(longest, LONGEST);
            assert_eq!(bytes.iter().filter(|byte| **byte == b'x').count(), (1 << 20) + 10_000 / 256);
        }
    });
}
