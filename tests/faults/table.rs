//! All cases, in the order of their numbers.
//!
//! docs/faults.md is made from it: see `docs.rs`.

use crate::calling as many;
use crate::cases::kills::Random;
use crate::cases::{
    crash, ends, files, given_up, groups, hosts, printing, session, stall, start, versions, within,
};
use crate::{flowing, frames, living, supervised, sys};

/// What there is to do.
pub(crate) enum Deed {
    Run(fn()),
    /// With choices at random.
    Draw(fn(&mut Random)),
}

use Deed::{Draw, Run};

/// What is different on Windows.
#[derive(Clone, Copy)]
pub(crate) enum Windows {
    /// Nothing.
    Same,
    /// What comes of it.
    Outcome(&'static str),
    /// It is not done, and why.
    Excluded(&'static str),
}

/// A thing that a plugin, a host or the system does, and what comes of it.
pub(crate) struct Case {
    pub(crate) number: u32,
    pub(crate) title: &'static str,
    /// What comes of it, for docs/faults.md.
    pub(crate) outcome: &'static str,
    pub(crate) deed: Deed,
    pub(crate) windows: Windows,
    /// Why it is not done under Wine, where Windows does otherwise.
    pub(crate) wine: Option<&'static str>,
}

/// Cases that belong together.
pub(crate) struct Group {
    pub(crate) title: &'static str,
    pub(crate) cases: &'static [Case],
}

const fn case(number: u32, title: &'static str, outcome: &'static str, deed: Deed) -> Case {
    Case { number, title, outcome, deed, windows: Windows::Same, wine: None }
}

impl Case {
    /// On Windows something else comes of it.
    const fn windows(self, outcome: &'static str) -> Self {
        Self { windows: Windows::Outcome(outcome), ..self }
    }

    /// It is not done on Windows.
    const fn not_on_windows(self, why: &'static str) -> Self {
        Self { windows: Windows::Excluded(why), ..self }
    }

    /// Wine does not do as Windows does.
    const fn not_under_wine(self, why: &'static str) -> Self {
        Self { wine: Some(why), ..self }
    }
}

pub(crate) const GROUPS: &[Group] = &[
    Group { title: "Start", cases: START },
    Group { title: "Calls", cases: CALLS },
    Group { title: "Values", cases: VALUES },
    Group { title: "Frames", cases: FRAMES },
    Group { title: "Input and output", cases: FLOW },
    Group { title: "Life and death", cases: LIFE },
];

const START: &[Case] = &[
    case(
        1,
        "the program exits with success before it says hello",
        "`LaunchCause::Ended`, exit status 0; nothing waits for the start timeout",
        Run(|| frames::starts(&["exits with success", "half a preamble, then exits"])),
    ),
    case(
        2,
        "it panics, fails or aborts before it says hello",
        "`LaunchCause::Ended` with the status and the last lines of stderr, so the message of the panic",
        Run(|| {
            start::crash_before_hello();
            frames::starts(&["exits with failure"]);
        }),
    ),
    case(
        3,
        "the file is missing, a directory, empty, cut, a text, not executable, or for another machine",
        "`NotFound`, `NotAFile`, `WrongFormat`, `NotExecutable`, `InterpreterMissing`: each says what to do",
        Run(|| {
            files::files_that_are_not_programs();
            files::a_program_cut_in_the_middle();
            files::paths_that_name_no_file();
            if sys::HAS_SCRIPTS {
                files::a_script_that_is_no_plugin();
            }
        }),
    )
    .windows(
        "`NotFound`, `NotAFile`, `WrongFormat`: each says what to do; no file there is marked as a program or names an interpreter",
    ),
    case(
        4,
        "it sends garbage, or a text, instead of a hello",
        "`LaunchCause::NotThisProtocol`, which shows the first bytes escaped; killed",
        Run(|| frames::starts(&["garbage", "text", "wrong magic", "reserved bytes in the preamble"])),
    ),
    case(
        5,
        "it prints before it serves",
        "the lines arrive as lines; the connection is not on stdout",
        Run(printing::lines_arrive_from_before_the_hello_to_the_end),
    ),
    case(
        6,
        "it hangs, or is stopped, before it says hello",
        "`LaunchCause::TimedOut` after the start timeout; killed",
        Run(|| frames::slow_starts(&["silent", "is stopped"])),
    ),
    case(
        7,
        "it sends its hello a byte at a time for ever",
        "`LaunchCause::TimedOut`: the timeout is that of the start, not of each byte; killed",
        Run(|| frames::slow_starts(&["byte by byte for ever"])),
    ),
    case(
        8,
        "it sends half a hello, then nothing, or closes",
        "`LaunchCause::TimedOut`, or `ClosedConnection`; killed",
        Run(|| {
            frames::at_once(&[
                || frames::slow_starts(&["half a preamble", "half a hello"]),
                || frames::starts(&["half a hello, then closes"]),
                || frames::starts(&["closes"]),
            ]);
        }),
    ),
    case(
        9,
        "its hello promises 4 GiB, or a byte more than a hello may have",
        "`LaunchCause::BrokeProtocol`, known from the header; no memory is reserved",
        Run(frames::starts_that_promise_too_much),
    ),
    case(
        10,
        "it belongs to another application, or is started by hand",
        "`LaunchCause::WrongApplication`; by hand it says what it is and exits with 64",
        Run(|| {
            frames::starts(&["other application", "other protocol", "refuses and stays"]);
            files::a_plugin_started_by_hand_says_what_it_is();
        }),
    ),
    case(
        11,
        "it speaks older, newer or impossible versions of the protocol",
        "`LaunchCause::WireVersion` with both ranges; an impossible range is not this protocol",
        Run(|| {
            frames::starts(&["older versions", "newer versions", "versions upside down"]);
            versions::others_are_refused_and_told_who_must_change();
        }),
    ),
    case(
        12,
        "it has other methods, another signature of one, or not the interface",
        "`ClientError` before the first call, with both signatures; a missing method is `CallError::Unsupported`",
        Run(|| {
            versions::a_missing_interface();
            versions::another_version_of_a_method_is_refused_before_the_first_call();
            versions::a_method_that_the_plugin_lacks_fails_when_it_is_called();
        }),
    ),
    case(
        13,
        "it says hello twice, or something else before it",
        "the protocol is broken; killed",
        Run(|| {
            frames::sessions(&["second hello"]);
            frames::starts(&[
                "a log record first",
                "a reply first",
                "goodbye first",
                "unknown kind",
                "reserved bits",
                "empty payload",
                "name is not text",
                "endless name",
                "endless instances",
                "trailing bytes",
            ]);
            drop(start::strange_but_right());
        }),
    ),
    case(
        14,
        "it says hello and reads nothing afterwards",
        "calls end at their timeout; a shutdown says why the plugin had been given up",
        Run(|| {
            frames::at_once(&[
                stall::a_caller_that_gives_up_while_the_plugin_does_not_read,
                stall::the_shutdown_of_a_plugin_that_was_given_up_says_why,
            ]);
        }),
    ),
    case(
        15,
        "it leaves a daemon, in a session of its own, that holds the connection",
        "the plugin has ended when its process has; the connection is shut down, also for the daemon. With `Launcher::cgroup` \
         the daemon is killed, whatever it does",
        Run(|| {
            flowing::daemon();
            if tests::sys::CHILDREN_CAN_LEAVE {
                groups::a_plugin_that_crashes_leaves_nothing();
            }
        }),
    )
    .windows(
        "the daemon is in the plugin's job object, which nothing leaves, and is killed with it",
    ),
];

const CALLS: &[Case] = &[
    case(
        16,
        "a method panics",
        "`CallError::Panicked` with message, place and backtrace for this call; others go on",
        Run(|| crash::panic_with(0..2)),
    ),
    case(
        17,
        "it panics with something that is not a text, or with a text of 100 MiB",
        "`CallError::Panicked`, with a text in its place, or the first kilobytes of it",
        Run(|| crash::panic_with(2..crash::PANICS.len())),
    ),
    case(
        18,
        "it panics while a panic unwinds",
        "the process aborts: `EndKind::Aborted`, and stderr says why",
        Run(|| crash::end_by("PanicTwice")),
    ),
    case(19, "it calls `abort`, or `exit`", "`EndKind::Aborted`, `Exited`, `Failed`", {
        Run(|| {
            crash::end_by("Abort");
            crash::end_by("Exit(0)");
            crash::end_by("Exit(3)");
        })
    }),
    case(20, "it touches memory that is not its own", "`EndKind::Crashed`, signal 11", {
        Run(|| crash::end_by("Signal(11)"))
    })
    .windows("`EndKind::Crashed`, code 0xC0000005"),
    case(
        21,
        "it overflows the stack, of the thread of the call or of another one",
        "`EndKind::StackOverflow`",
        Run(|| {
            crash::end_by("StackOverflow");
            crash::end_by("StackOverflowOnThread");
        }),
    )
    .not_under_wine("the exit status of a thread without stack is 0"),
    case(22, "it wants more memory than there is", "`EndKind::OutOfMemory`", {
        Run(|| crash::end_by("OutOfMemory"))
    }),
    case(
        23,
        "a signal ends it: an illegal instruction, a bus error, an arithmetic error, SIGTERM",
        "`EndKind::Crashed` or `Signal` with the number",
        Run(|| ["Signal(4)", "Signal(7)", "Signal(8)", "Signal(15)"].into_iter().for_each(crash::end_by)),
    )
    .windows(
        "`EndKind::Crashed` with the code of the exception; of Ctrl-C `Signal` with the code 0xC000013A",
    ),
    case(
        24,
        "it is killed while a hundred threads wait for it",
        "each call ends once, with `EndKind::Killed`, and may have run",
        Run(|| {
            crash::end_by("Signal(9)");
            many::kill_with_a_hundred_threads();
        }),
    ),
    case(25, "it is killed while ten thousand tasks wait for it", "as above", {
        Run(many::kill_with_ten_thousand_tasks)
    }),
    case(
        26,
        "it is killed at any moment of its calls",
        "`Delivery::NotSent` or `Unknown`, as what it wrote down bears out; nothing runs twice",
        Draw(many::kill_at_random_moments),
    ),
    case(27, "it answers a call that nobody made", "the protocol is broken; killed", {
        Run(|| frames::sessions(&["reply to nobody", "pong"]))
    }),
    case(28, "it answers twice", "the first answer counts; then the protocol is broken; killed", {
        Run(session::misdeed_after_the_reply)
    }),
    case(
        29,
        "it answers when nobody waits any more",
        "the answer is dropped, and counted by `late_replies`",
        Run(ends::a_reply_that_comes_too_late_is_dropped_and_counted),
    ),
    case(30, "it answers ten thousand calls in another order", "each caller has its own answer", {
        Run(many::replies_in_another_order)
    }),
    case(
        31,
        "ids of calls come to their end",
        "ids have 64 bits and are not used again; a plugin whose calls have the largest one is served",
        Run(many::largest_id),
    ),
    case(
        32,
        "it answers with the value of another method",
        "`CallError::Decoding` for this call; others go on",
        Run(|| {
            frames::payloads(&["row: the number of another method", "text: the row of another method"]);
            frames::error_payloads();
        }),
    ),
    case(
        33,
        "calls and callbacks within each other go deeper and deeper",
        "`CallError::TooDeep` at 64; a plugin that is killed in a callback is an error of the call",
        Run(|| {
            within::calls_within_calls_go_as_deep_as_is_stated_and_no_deeper();
            within::a_plugin_that_is_killed_while_a_callback_runs();
        }),
    ),
    case(
        34,
        "it calls the host without a break, or more than was agreed",
        "calls are bounded and hold up nothing else; more than agreed breaks the protocol; killed",
        Run(|| {
            many::calls_of_the_plugin_without_a_break();
            frames::sessions(&[
                "calls without waiting for an answer, or reading one",
                "lends without end, and reads nothing",
            ]);
        }),
    ),
    case(
        35,
        "callers give up: futures are dropped and deadlines come at any moment",
        "the place of the call is free at once, and the plugin is told",
        Run(|| {
            many::futures_dropped_at_each_step();
            given_up::a_method_sees_that_its_caller_has_given_up();
            given_up::a_method_is_dropped_with_the_future_of_its_call();
        }),
    ),
    case(
        36,
        "a call is made after the end, while the plugin is down, or when it was given up",
        "`CallError::Disconnected` at once, with `Delivery::NotSent`; a supervised one waits if the policy says so",
        Run(|| {
            ends::a_plugin_that_is_shut_down_ends_with_success();
            supervised::calls_while_down();
        }),
    ),
    case(
        37,
        "sixty-four threads call while the plugin is killed again and again, and supervised",
        "each call ends once, as what was written down bears out; what was not sent goes to the next process",
        Run(supervised::killed_again_and_again),
    ),
];

const VALUES: &[Case] = &[
    case(38, "bytes or a text of 2^64-1 bytes", DECODING, Run(|| frames::payloads(&["bytes: 2^64-1"]))),
    case(
        39,
        "bytes or a text of 2^40 bytes",
        DECODING,
        Run(|| frames::payloads(&["bytes: 2^40", "text: 2^40"])),
    ),
    case(40, "a gigabyte in 13 bytes", DECODING, Run(|| frames::payloads(&["bytes: 1 GiB", "bytes: one"]))),
    case(41, "2^60, 2^32 or 2^24 numbers", DECODING, Run(|| frames::payloads(&["numbers: "]))),
    case(42, "2^60 elements of no size", DECODING, Run(|| frames::payloads(&["units: 2^60"]))),
    case(43, "2^64-1 elements of no size", DECODING, Run(|| frames::payloads(&["units: 2^64-1"]))),
    case(44, "a map of 2^60 entries of no size", DECODING, Run(|| frames::payloads(&["map of units"]))),
    case(
        45,
        "a map of 2^60 or 2^32 entries",
        DECODING,
        Run(|| frames::payloads(&["map: 2^60", "map: 2^32"])),
    ),
    case(46, "100,000 levels, one within the other", DECODING, {
        Run(|| frames::payloads(&["tree: 200 levels", "tree: 100,000 levels"]))
    }),
    case(
        47,
        "1,000,000 levels, one within the other",
        DECODING,
        Run(|| frames::payloads(&["tree: 1,000,000"])),
    ),
    case(48, "a mebibyte that takes a gibibyte", DECODING, Run(|| frames::payloads(&["sparse"]))),
    case(49, "the same in lists of lists", DECODING, {
        Run(|| frames::payloads(&["nested sparse", "row: endless tags"]))
    }),
    case(50, "a value that ends at any of its bytes", DECODING, Run(frames::rows_cut_everywhere)),
    case(51, "bytes that are left over, or none at all", DECODING, {
        Run(|| frames::payloads(&["truth: two", "truth: nothing", "text: nothing", "row: half"]))
    }),
    case(52, "texts and characters that are not UTF-8, truths that are neither", DECODING, {
        Run(|| frames::payloads(&["text: not UTF-8", "character: ", "truth: 2"]))
    }),
    case(53, "variants, options, numbers and times that do not exist", DECODING, {
        Run(|| frames::payloads(&["tree: variant", "option: ", "not zero", "duration", "time"]))
    }),
];

/// What comes of each value that is none.
const DECODING: &str = "`CallError::Decoding` as a reply, refused as an argument; others go on";

const FRAMES: &[Case] = &[
    case(54, "frames arrive a byte at a time, or a thousand at once", "they are the same frames", {
        Run(|| {
            frames::bytes_one_by_one();
            many::replies_in_another_order();
        })
    }),
    case(
        55,
        "half a frame, then the end, or nothing",
        "a closed connection, or the end of the process; without an end the timeout of the call",
        Run(|| {
            frames::at_once(&[
                || frames::sessions(&["half a frame, then closes"]),
                || frames::sessions(&["half a frame, then exits", "exits"]),
                || session::hangs("half a header"),
                || session::hangs("half a payload"),
            ]);
        }),
    ),
    case(
        56,
        "a message of no bytes, of as many as agreed, or of one more",
        "as many as agreed are taken; one more breaks the protocol, known from the header; killed",
        Run(|| {
            frames::replies_around_the_limit();
            frames::sessions(&["length 4 GiB", "length over the limit"]);
        }),
    ),
    case(
        57,
        "frames of unknown kinds, with reserved bits, that cannot be decoded, or that a plugin may not send",
        "the protocol is broken, and the error says which frame it was; killed",
        Run(|| {
            frames::sessions(&[
                "garbage",
                "unknown kind",
                "reserved bits",
                "garbage as a log record",
                "empty log record",
                "frame of kind 0",
                "frame of kind 1",
                "frame of kind 2",
                "frame of kind 3",
                "frame of kind 11",
                "frame of kind 13",
                "frame of kind 14",
                "releases what it does not hold",
                "hands over no list",
                "hands over more than a list may have",
                "hands over a handle of no kind",
                "gives back what it was never given",
                "calls within a call that it does not name",
            ]);
        }),
    ),
    case(
        58,
        "the host sends more than was agreed",
        "`CallError::TooLarge` in the host; nothing is sent, others go on",
        Run(frames::arguments_over_the_limit),
    ),
    case(
        59,
        "a flood of log records or pings",
        "calls go on; records that the host does not take are counted",
        {
            Run(|| {
                stall::a_flood_of_log_records_does_not_hold_up_calls();
                flowing::pings_without_end();
            })
        },
    ),
    case(
        60,
        "a value that is as deep as may be, or a level deeper",
        "it is taken, and dropped without harm; a level deeper is `CallError::Decoding`",
        Run(frames::trees_around_the_limit),
    ),
];

const FLOW: &[Case] = &[
    case(
        61,
        "it stops to read",
        "`DisconnectCause::StoppedReading` after the stall timeout; killed",
        Run(|| {
            stall::a_plugin_that_does_not_read();
        }),
    ),
    case(
        62,
        "it is stopped by SIGSTOP",
        "calls and pings time out; it can be killed all the same; the watchdog of a policy does so",
        Run(|| {
            frames::at_once(&[
                || session::hangs("is stopped"),
                supervised::stopped_by_a_signal,
                stall::a_stopped_plugin_answers_no_ping_and_can_be_ended,
            ]);
        }),
    )
    .windows("the same, when it is suspended"),
    case(63, "it closes its connection and lives on", "`DisconnectCause::ClosedConnection`; killed", {
        Run(|| frames::sessions(&["closes"]))
    }),
    case(64, "it closes stdout and stderr", "nothing", Run(flowing::no_stdout_and_stderr)),
    case(
        65,
        "it ends one direction of its connection",
        "as if it had closed both",
        Run(flowing::one_direction_only),
    )
    .not_on_windows("a named pipe ends in both directions or in none"),
    case(
        66,
        "it floods stderr with 64 MiB without lines, of escape sequences, NULs and no UTF-8",
        "calls go on; what waits is bounded and what is dropped is counted; shown texts are harmless",
        Run(flowing::flood_of_stderr),
    ),
    case(
        67,
        "it prints a mebibyte without a line, garbage, or bytes of the protocol",
        "they arrive in pieces of 16 KiB; calls go on",
        Run(printing::nothing_that_is_printed_disturbs_calls),
    ),
    case(
        68,
        "it ends, and a child of it holds stdout, stderr and the connection",
        "the end is known at once, by the process; its group is killed",
        Run(|| {
            frames::at_once(&[session::child_keeps_everything, crash::children]);
        }),
    )
    .windows("the end is known at once, by the process; all that came from it is killed with its job object"),
    case(
        69,
        "the host is in a program that does not ignore SIGPIPE, and its plugin receives no more",
        "an error; no signal",
        Run(flowing::broken_pipe_in_a_host_of_another_language),
    )
    .not_on_windows("there are no signals"),
];

const LIFE: &[Case] = &[
    case(
        70,
        "the host is killed: its plugin idles, works, hangs, shuts down, is stopped or has children",
        "the plugin and its children end, and its value is dropped before",
        Run(|| {
            frames::at_once(&[
                hosts::a_plugin_does_not_outlive_its_host,
                hosts::a_stopped_plugin_does_not_outlive_its_host,
                hosts::a_child_of_a_plugin_does_not_outlive_its_host,
            ]);
            if sys::OUTLASTS_ITS_HOST {
                hosts::the_value_of_a_plugin_is_dropped_when_its_host_is_killed();
            }
        }),
    )
    .windows(
        "the plugin and its children are in a job object, which ends with the host; what the plugin has yet to do is not done",
    ),
    case(
        71,
        "the same, while the plugin and a child of it are stopped and cannot do anything about it",
        "the system wakes the plugin, which ends with its group",
        Run(living::host_of_a_stopped_plugin_with_a_child),
    )
    .windows("both are in the job object that ends with the host"),
    case(
        72,
        "the host panics, exits, returns from `main`, forgets its plugin or drops things in another order",
        "the plugin ends",
        Run(|| {
            living::host_that_ends();
            living::dropped_in_either_order();
        }),
    ),
    case(73, "plugins start and end again and again, in all ways", "nothing is left of any", {
        Run(|| frames::at_once(&[living::many_starts_and_ends, supervised::many_restarts]))
    }),
    case(
        74,
        "it crashes in a loop",
        "restarts wait for longer and longer, then `DisconnectCause::GaveUp` with the history, once",
        Run(supervised::crash_loop),
    ),
    case(
        75,
        "it crashes again and again, each time after a while",
        "it is started again at once, each time: `Policy::healthy_after`",
        Run(supervised::crashes_that_are_far_apart),
    ),
    case(
        76,
        "it ignores the request to end, and SIGTERM, or a method hangs",
        "killed at the shutdown timeout: `ShutdownError::TimedOut`; a method that hangs is cut off",
        Run(|| {
            frames::at_once(&[
                living::deaf_plugin,
                ends::the_first_shutdown_decides_what_later_ones_say,
                crash::hang,
            ]);
        }),
    )
    .windows(
        "the same; there is no SIGTERM",
    ),
    case(
        77,
        "it has ended, and its process id is used again, before it is killed, shut down or dropped",
        "nobody else is signalled",
        Run(living::process_id_used_again),
    )
    .not_on_windows(
        "the id of a process is not used again while somebody has a handle to it, as the host has",
    ),
    case(
        78,
        "something else of the host waits for its children, or SIGCHLD is ignored",
        "`EndKind::Unknown`; all else as ever",
        Run(living::others_wait_for_the_plugin),
    )
    .not_on_windows(
        "who has a handle to a process learns its end, whoever else does",
    ),
    case(79, "the thread that started it ends", "nothing", Run(living::started_by_a_short_thread)),
    case(
        80,
        "the host has no descriptors, processes or threads left",
        "`LaunchCause::Setup` or `Spawn`, at each step of a start; plugins that run go on",
        Run(living::no_more_to_be_had),
    )
    .not_on_windows(
        "a process may have millions of handles and threads, and memory is gone before",
    ),
    case(
        81,
        "it is ended and restarted by many threads at once, twice, or within its own callback",
        "each end is the same end; nothing hangs",
        Run(|| {
            ends::shutdown_kill_and_drop_from_many_threads_at_once();
            supervised::ended_and_restarted_at_once();
            within::a_plugin_that_is_shut_down_within_a_callback();
        }),
    ),
    case(
        82,
        "the host forks, and the copy drops what it has",
        "nothing: the plugin belongs to the original",
        Run(living::host_that_forks),
    )
    .not_on_windows(
        "there is no `fork`",
    ),
    case(
        83,
        "the host, or all, is stopped for longer than calls may take",
        "calls end with an answer or at their timeout, and go on; the clock is a monotonic one",
        Run(living::host_that_is_stopped),
    ),
];
