//! Uploads made to cost the compiler as much as can be: how long until an answer, and what this process grows by.

use std::time::Instant;

use vestibule_engine::Profile;
use wasm_encoder::{
    BlockType, CodeSection, ExportKind, ExportSection, Function, FunctionSection, Instruction, MemorySection,
    MemoryType, Module, TypeSection, ValType,
};

use crate::{
    bench::Bench,
    guests, machine,
    report::{Bar, Table, shown},
    rounds::Effort,
};

/// A little less than an upload may have, in bytes of code.
const CODE_BYTES: usize = 500 * 1024;

/// Measures the bars of hostile uploads. Each is compiled once: there are limits to keep, not medians to find.
///
/// # Errors
/// When a module cannot be made or the engine fails.
pub fn measure(_: Effort) -> anyhow::Result<(Vec<Bar>, Vec<Table>)> {
    let bench = Bench::new(Profile::Fast)?;
    bench.load(&guests::module(guests::EMPTY)?)?; // What the first upload allocates for good is not a bomb's.
    let mut table = Table::new("Uploads made to be costly", &["", "kB", "answer", "s", "this process grew by, MiB"]);
    let (mut slowest, mut most) = (0.0_f64, 0.0_f64);
    for (name, wasm) in bombs()? {
        let (before, _) = machine::memory_kib()?;
        machine::reset_peak_memory()?;
        let began = Instant::now();
        let compiled = bench.compile(&wasm);
        let took = began.elapsed().as_secs_f64();
        let (_, peak) = machine::memory_kib()?;
        let grown = peak.saturating_sub(before) as f64 / 1_024.0;
        let answer = match &compiled {
            Ok(rule) => format!("{}, {} KiB of code", rule.tier().as_str(), rule.code_bytes() / 1_024),
            Err(error) => error.to_string().split(':').next().unwrap_or_default().to_owned(),
        };
        println!("      {name}: {answer} after {took:.1} s, {grown:.1} MiB");
        table.row(name, [(wasm.len() / 1_024).to_string(), answer, shown(took), shown(grown)]);
        (slowest, most) = (slowest.max(took), most.max(grown));
    }
    let bars = vec![
        Bar::at_most("hostile uploads: the longest until it is accepted or refused", slowest, 12.0, " s"),
        Bar::at_most("hostile uploads: growth of this process meanwhile", most, 32.0, " MiB"),
    ];
    Ok((bars, vec![table]))
}

fn bombs() -> anyhow::Result<Vec<(&'static str, Vec<u8>)>> {
    Ok(vec![
        ("one long function over 900 locals", long_function()),
        ("jump tables of 250 targets in 250 blocks", jump_tables()),
        ("loops in loops that carry 200 locals", nested_loops()),
        ("5 000 functions", many_functions()),
        ("a start function that spins", starting("(loop $on (br $on))")?),
        ("a start function that fills 16 MiB", starting(FILL)?),
        (
            "a start function that asks for more memory",
            starting("(loop $on (drop (memory.grow (i32.const 64))) (br $on))")?,
        ),
    ])
}

const FILL: &str = "(drop (memory.grow (i32.const 255)))
    (memory.fill (i32.const 0) (i32.const 7) (i32.const 16777216))";

fn starting(body: &str) -> anyhow::Result<Vec<u8>> {
    guests::module(&format!(
        r#"(module (memory (export "memory") 1) (func $init {body}) (start $init) (func (export "run")))"#
    ))
}

/// Values that all live at the same time: bad for whatever allocates registers.
fn long_function() -> Vec<u8> {
    const LOCALS: u32 = 900;
    let mut run = Function::new([(LOCALS, ValType::I64)]);
    let mut mixed = 1_u32;
    let mut next = || {
        mixed = mixed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (mixed >> 8) % LOCALS
    };
    while run.byte_len() < CODE_BYTES {
        let (a, b, to) = (next(), next(), next());
        run.instructions().local_get(a).local_get(b).i64_mul().local_get(to).i64_add().local_set(to);
    }
    run.instructions().end();
    module([run])
}

/// Edges from everywhere to everywhere.
fn jump_tables() -> Vec<u8> {
    const BLOCKS: u32 = 250;
    let mut run = Function::new([(BLOCKS, ValType::I32)]);
    let targets: Vec<u32> = (0..BLOCKS).collect();
    for _ in 0..BLOCKS {
        run.instruction(&Instruction::Block(BlockType::Empty));
    }
    for block in 0..BLOCKS {
        let inner = BLOCKS - block;
        run.instructions().local_get(block).i32_const(1).i32_add().local_tee(block);
        let targets: Vec<u32> = targets.iter().map(|target| target % inner).collect();
        run.instruction(&Instruction::BrTable(targets.into(), 0));
        run.instructions().end();
    }
    run.instructions().end();
    module([run])
}

/// Every loop gives every local one more definition.
fn nested_loops() -> Vec<u8> {
    const LOCALS: u32 = 200;
    const DEPTH: usize = 200;
    let mut run = Function::new([(LOCALS, ValType::I32)]);
    while run.byte_len() < CODE_BYTES - 8 * DEPTH {
        for _ in 0..DEPTH {
            run.instruction(&Instruction::Loop(BlockType::Empty));
        }
        for local in 0..LOCALS {
            run.instructions().local_get(local).local_get((local + 7) % LOCALS).i32_add().local_set(local);
        }
        for level in 0..DEPTH {
            run.instructions().local_get(level as u32 % LOCALS).br_if(0).end();
        }
    }
    run.instructions().end();
    module([run])
}

fn many_functions() -> Vec<u8> {
    let functions = (0..5_000).map(|_| {
        let mut function = Function::new([(4, ValType::I32)]);
        for _ in 0..10 {
            function.instructions().local_get(0).local_get(1).i32_mul().local_set(2);
        }
        function.instructions().end();
        function
    });
    module(functions)
}

/// A module of functions without parameters, the first of which is `run`.
fn module(functions: impl IntoIterator<Item = Function>) -> Vec<u8> {
    let (mut declared, mut code) = (FunctionSection::new(), CodeSection::new());
    for function in functions {
        declared.function(0);
        code.function(&function);
    }
    let mut types = TypeSection::new();
    types.ty().function([], []);
    let mut memories = MemorySection::new();
    memories.memory(MemoryType { minimum: 1, maximum: None, memory64: false, shared: false, page_size_log2: None });
    let mut exports = ExportSection::new();
    exports.export("memory", ExportKind::Memory, 0).export("run", ExportKind::Func, 0);
    let mut module = Module::new();
    module.section(&types).section(&declared).section(&memories).section(&exports).section(&code);
    module.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_bomb_gets_past_the_inspection() {
        for (name, wasm) in bombs().unwrap() {
            if let Err(refusal) = vestibule_engine::inspect(&wasm) {
                panic!("{name}: {refusal}");
            }
        }
    }
}
