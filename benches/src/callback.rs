//! What it costs to be called back, and to hand over an object: beside a plain call of the same plugin, since a bare
//! socket has neither.

use std::sync::Arc;
use std::time::Instant;

use crate::Result;
use crate::plugin::{self, Echo, EchoClient, Token};
use crate::rounds::{Figure, Measure};
use crate::stats::quantile;

/// How often the calls are timed; the median is what counts.
const TIMES: usize = 10;

/// Calls of one kind, beside as many of `successor`.
pub(crate) struct Callback {
    name: &'static str,
    calls: u64,
    run: fn(&EchoClient, u64) -> Result<()>,
}

impl Callback {
    /// A closure that is called back within one call. What is timed is one of these, there and back.
    pub(crate) fn lent(quick: bool) -> Self {
        Self { name: "callback within a call, beside a plain call, mean", calls: calls(quick), run: visit }
    }

    /// A call with an object, which the plugin drops at once.
    pub(crate) fn handed_over(quick: bool) -> Self {
        Self {
            name: "call with an object, beside a plain call, mean",
            calls: calls(quick),
            run: |client, calls| {
                let token: Arc<dyn Token> = Arc::new(Nothing);
                (0..calls).try_for_each(|_| Ok(client.hold(Arc::clone(&token))?))
            },
        }
    }

    /// Microseconds a call.
    #[expect(clippy::cast_precision_loss, reason = "nobody makes 2^52 calls")]
    fn sample(&self, run: fn(&EchoClient, u64) -> Result<()>) -> Result<Vec<f64>> {
        let (plugin, client) = plugin::start()?;
        run(&client, self.calls)?;
        let mut micros = Vec::with_capacity(TIMES);
        for _ in 0..TIMES {
            let begin = Instant::now();
            run(&client, self.calls)?;
            micros.push(begin.elapsed().as_secs_f64() * 1e6 / self.calls as f64);
        }
        plugin.shutdown()?;
        Ok(vec![quantile(&micros, 0.5)])
    }
}

/// Some tens of milliseconds, so that the beginning and the end are nothing.
fn calls(quick: bool) -> u64 {
    if quick { 500 } else { 5_000 }
}

impl Measure for Callback {
    fn figures(&self) -> Vec<Figure> {
        vec![Figure { name: self.name, unit: "µs" }]
    }

    fn plugin(&self) -> Result<Vec<f64>> {
        self.sample(self.run)
    }

    fn socket(&self) -> Result<Option<Vec<f64>>> {
        self.sample(plain).map(Some)
    }
}

fn plain(client: &EchoClient, calls: u64) -> Result<()> {
    check(calls, (0..calls).try_fold(0, |number, _| client.successor(number))?)
}

fn visit(client: &EchoClient, calls: u64) -> Result<()> {
    check(calls, client.visit(calls, &mut |number| number + 1)?)
}

fn check(calls: u64, counted: u64) -> Result<()> {
    if counted != calls {
        return Err(format!("{counted} of {calls} calls were counted").into());
    }
    Ok(())
}

struct Nothing;

impl Token for Nothing {
    fn ping(&self) -> plugin_core::Result<()> {
        Ok(())
    }
}
