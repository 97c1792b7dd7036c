//! Traits of real programs, called as those programs call them: through the trait, which does not tell that the
//! implementation is in another process.

use std::cell::{Cell, RefCell};
use std::path::Path;
use std::sync::Arc;
use std::thread;

use plugin_core::{Client, Result, Stream};
use plugin_host::{Launcher, PluginProcess};
use tests::{
    Command, CommandClient, Diagnostic, Editor, ImageFilter, ImageFilterClient, LanguageServer,
    LanguageServerClient, LogSink, LogSinkClient, Offset, Severity, Size, StorageEngine, StorageEngineClient,
    StorageError,
};

use crate::support::{PROGRAMS, assert_says, block_on, in_time, start, wait_for};

fn launch<C: Client>() -> (PluginProcess, C) {
    let plugin = Launcher::new(PROGRAMS).spawn().unwrap();
    let client = plugin.client().unwrap();
    (plugin, client)
}

#[test]
fn a_storage_engine() {
    fn use_it(engine: &dyn StorageEngine) -> Result<(), StorageError> {
        for number in 0..100_u8 {
            engine.put(&[b'k', number], &[number; 3])?;
        }
        assert_eq!(engine.get(b"k\x07")?.as_deref(), Some(&[7; 3][..]));
        assert_eq!(engine.get(b"x")?, None);
        let mut sum = 0;
        let visited = engine.scan(b"k\x0a", Some(b"k\x14"), &mut |key, value| {
            assert_eq!(value, [key[1]; 3]);
            sum += u64::from(key[1]);
            key[1] < 17
        })?;
        // The entry at which it says that it has enough is not counted.
        assert_eq!((visited, sum), (7, (10..=17).sum()));

        let before = engine.snapshot()?;
        let (first, second, given_up) = (engine.begin()?, engine.begin()?, engine.begin()?);
        first.put(b"k\x07", b"first")?;
        second.put(b"k\x07", b"second")?;
        given_up.put(b"k\x07", b"never")?;
        drop(given_up);
        assert_eq!(first.get(b"k\x07")?.as_deref(), Some(&b"first"[..]));
        assert_eq!(engine.get(b"k\x07")?.as_deref(), Some(&[7; 3][..]));
        first.commit()?;
        assert!(matches!(first.commit(), Err(StorageError::Closed)));
        match second.commit() {
            Err(StorageError::Conflict { key }) => assert_eq!(key, b"k\x07"),
            other => panic!("{other:?}"),
        }
        assert_eq!(engine.get(b"k\x07")?.as_deref(), Some(&b"first"[..]));

        assert_eq!(before.get(b"k\x07")?.as_deref(), Some(&[7; 3][..]));
        let entries = before.entries()?;
        drop(before);
        let entries: Result<Vec<_>> = entries.collect();
        assert_eq!(entries?, (0..100).map(|n| (vec![b'k', n], vec![n; 3])).collect::<Vec<_>>());
        Ok(())
    }
    let (plugin, engine) = launch::<StorageEngineClient>();
    use_it(&engine).unwrap();
    wait_for("nothing is held", || plugin.held_objects() == 0);
    plugin.shutdown().unwrap();
    assert!(matches!(engine.get(b"k"), Err(StorageError::Engine(error)) if error.is_disconnected()));
}

#[test]
fn an_image_filter() {
    let (_plugin, filter) = launch::<ImageFilterClient>();
    let filter: &dyn ImageFilter = &filter;
    assert_eq!(filter.name().unwrap(), "Negative");
    let size = Size { width: 640, height: 480 };
    let pixels: Vec<_> = (0..640 * 480 * 3_u32).map(|at| at.to_le_bytes()[0]).collect();
    let told = RefCell::new(Vec::new());
    let progress = |part: f32| {
        told.borrow_mut().push(part);
        true
    };
    let negative = filter.apply(&size, &pixels, &progress).unwrap();
    assert!(negative.iter().zip(&pixels).all(|(negative, pixel)| *negative == !pixel));
    let told = told.into_inner();
    assert!(told.len() == 480 && told.is_sorted() && told[479] == 1.0, "{told:?}");

    let error = filter.apply(&size, &pixels, &|part| part < 0.5).unwrap_err();
    assert_eq!(error.to_string(), "stopped by the user");
    let error = filter.apply(&size, &pixels[3..], &|_| true).unwrap_err();
    assert_says(&error, &["more or fewer pixels"]);
    let error = filter.apply(&size, &vec![0; 33 << 20], &|_| true).unwrap_err();
    assert_says(&error, &["33554432"]);
}

/// A buffer of an editor. Like that of many it is for one thread, and changes behind a shared reference.
struct Buffer {
    text: RefCell<String>,
    selection: Cell<(Offset, Offset)>,
    answer: Option<String>,
    status: RefCell<Vec<String>>,
}

impl Buffer {
    fn new(text: &str, selection: (Offset, Offset), answer: Option<&str>) -> Self {
        let (text, status) = (RefCell::new(text.to_owned()), RefCell::default());
        Self { text, selection: Cell::new(selection), answer: answer.map(str::to_owned), status }
    }
}

impl Editor for Buffer {
    fn text(&self) -> Result<String> {
        Ok(self.text.borrow().clone())
    }
    fn selection(&self) -> Result<(Offset, Offset)> {
        Ok(self.selection.get())
    }
    fn replace(&self, (from, to): (Offset, Offset), text: &str) -> Result<()> {
        self.text.borrow_mut().replace_range(from..to, text);
        Ok(())
    }
    fn prompt(&self, question: &str) -> Result<Option<String>> {
        self.status.borrow_mut().push(question.to_owned());
        Ok(self.answer.clone())
    }
    fn status(&self, text: &str) {
        self.status.borrow_mut().push(text.to_owned());
    }
}

#[test]
fn a_command_of_a_text_editor() {
    let (_plugin, command) = launch::<CommandClient>();
    let command: &dyn Command = &command;
    let bindings = command.bindings().unwrap();
    assert_eq!(bindings["upcase"].as_deref(), Some("C-u"));
    assert_eq!(bindings["rename"], None);

    let buffer = Buffer::new("let apple = apple + pear;", (4, 9), Some("plum"));
    command.run("rename", &buffer).unwrap();
    assert_eq!(*buffer.text.borrow(), "let plum = plum + pear;");
    buffer.selection.set((18, 22));
    command.run("upcase", &buffer).unwrap();
    assert_eq!(*buffer.text.borrow(), "let plum = plum + PEAR;");
    assert_eq!(*buffer.status.borrow(), ["Rename `apple` to", "renamed 2 times", "4 bytes"]);

    let buffer = Buffer::new("apple", (0, 5), None);
    command.run("rename", &buffer).unwrap();
    assert_eq!(*buffer.status.borrow(), ["Rename `apple` to", "not renamed"]);
    buffer.selection.set((3, 99));
    assert_says(&command.run("upcase", &buffer).unwrap_err(), &["the selection is not in the text"]);
    assert_says(&command.run("sort", &buffer).unwrap_err(), &["there is no command `sort`"]);
    assert_eq!(*buffer.text.borrow(), "apple");
}

#[test]
fn the_handlers_of_a_language_server() {
    async fn session(server: &impl LanguageServer) -> Result<(Vec<String>, Vec<usize>, Stream<Diagnostic>)> {
        let diagnostics = server.diagnostics().await?;
        server.did_change(Path::new("/a"), "apple pear\nTODO plum");
        server.did_change(Path::new("/b"), "plum\nTODO cherry\nTODO");
        server.did_change(Path::new("/c"), "nothing");
        server.did_close(Path::new("/c"));
        // A notification may be overtaken.
        let words = loop {
            if let Ok(words) = server.completion(Path::new("/b"), "p").await {
                break words;
            }
        };
        let lines: Result<Vec<_>> = server.references("plum").await?.collect();
        Ok((words, lines?.into_iter().map(|(_, line)| line).collect(), diagnostics))
    }
    in_time("a language server", || {
        let (plugin, server) = launch::<LanguageServerClient>();
        let (words, lines, mut diagnostics) = block_on(session(&server)).unwrap();
        assert_eq!(words, ["plum"]);
        assert_eq!(lines, [2, 1]);
        let mut next = || diagnostics.next().unwrap().unwrap();
        let found = [next(), next(), next()].map(|found| (found.path, found.line, found.message));
        let expected = [("/a", 2, "TODO plum"), ("/b", 2, "TODO cherry"), ("/b", 3, "TODO")];
        assert_eq!(found, expected.map(|(path, line, text)| (path.into(), line, text.to_owned())));
        wait_for("all notifications have run", || plugin.in_flight() == 0);
        assert!(block_on(server.completion(Path::new("/c"), "")).is_err());
        // It is no trait object, so it is passed as what it is; and its requests may be made at once.
        let threads: Vec<_> = (0..8)
            .map(|_| {
                let server = server.clone();
                start(move || block_on(server.completion(Path::new("/a"), "pe")).unwrap())
            })
            .collect();
        assert!(threads.into_iter().all(|thread| thread.join().unwrap() == ["pear"]));
        plugin.kill().unwrap();
        assert!(diagnostics.next().unwrap().unwrap_err().is_disconnected());
    });
}

#[test]
fn a_sink_for_log_records() {
    let (plugin, sink) = launch::<LogSinkClient>();
    let sink: Arc<dyn LogSink> = Arc::new(sink);
    assert!(sink.enabled(Severity::Debug, "storage").unwrap());
    assert!(!sink.enabled(Severity::Debug, "editor").unwrap());
    thread::scope(|scope| {
        for number in 0..4 {
            let sink = &sink;
            scope.spawn(move || {
                for record in 0..1000 {
                    sink.record(Severity::Info, "storage", &format!("record {record} of thread {number}"));
                }
            });
        }
    });
    wait_for("all are written", || sink.flush().unwrap() == 4000);
    sink.record(Severity::Error, "", "panics there, and nobody minds");
    sink.record(Severity::Error, "storage", "the last one");
    wait_for("the last one is written", || sink.flush().unwrap() == 4001);
    wait_for("the panic is counted", || plugin.failed_oneways() == 1);
    plugin.shutdown().unwrap();
}
