//! QuickJS, natively, through rquickjs: a runtime for each thread, a fresh context for each login.
//!
//! As its documentation has it: a `Runtime` is long-lived and holds the heap, a `Context` is a realm of its own. The rule
//! is compiled and evaluated in each new context; memory and stack are limited and an interrupt handler keeps the time,
//! as a host of other people's code would have it.

use std::{
    cell::Cell,
    rc::Rc,
    time::{Duration, Instant},
};

use anyhow::anyhow;
use rquickjs::{CatchResultExt as _, Context, Function, Runtime};
use vestibule_contest::{
    host::{Decide, Library, MakeRule},
    rule::{Answer, Rule},
    serve::serve,
};

const MEMORY: usize = 16 << 20;
const STACK: usize = 256 << 10;
/// Long enough for the rule that computes: an interpreter takes many times what native code does.
const TIME: Duration = Duration::from_secs(2);

fn main() -> anyhow::Result<()> {
    let deploy = |rule: Rule, number: usize| -> anyhow::Result<MakeRule> {
        let source = script::source(rule, number);
        Ok(Box::new(move || Ok(Box::new(Prepared::new(source.clone())?))))
    };
    serve(&Library { described: format!("rquickjs {}", script::version("rquickjs")), deploy })
}

struct Prepared {
    runtime: Runtime,
    source: String,
    began: Rc<Cell<Instant>>,
}

impl Prepared {
    fn new(source: String) -> anyhow::Result<Self> {
        let runtime = Runtime::new()?;
        runtime.set_memory_limit(MEMORY);
        runtime.set_max_stack_size(STACK);
        let began = Rc::new(Cell::new(Instant::now()));
        let clock = Rc::clone(&began);
        runtime.set_interrupt_handler(Some(Box::new(move || clock.get().elapsed() > TIME)));
        Ok(Self { runtime, source, began })
    }
}

impl Decide for Prepared {
    fn decide(&mut self, event: &str) -> anyhow::Result<Answer> {
        self.began.set(Instant::now());
        let answer = Context::full(&self.runtime)?.with(|ctx| {
            let run = || -> rquickjs::Result<String> {
                let rule: Function<'_> = ctx.eval(self.source.as_str())?;
                rule.call((event,))
            };
            run().catch(&ctx).map_err(|error| anyhow!("{error}"))
        })?;
        Ok(serde_json::from_str(&answer)?)
    }
}
