//! Writes the WebAssembly of a product's tile, with fused multiply-add and without: two modules of one function for each
//! number of rows, which `src/kernels/tile.rs` has put in the place of its own functions where an engine knows them.
//!
//! Modules of their own, since an engine that does not know an instruction refuses the whole module it is in; and written
//! instruction by instruction, since the compiler's order of the same operations keeps fewer values in registers.

use std::path::Path;
use wasm_encoder::{
    BlockType, CodeSection, EntityType, ExportKind, ExportSection, Function, FunctionSection, ImportSection,
    InstructionSink, MemArg, MemArgTarget, MemoryType, Module, TypeSection, ValType,
};

/// Rows of the largest tile: with two vectors of columns twelve sums, which with the vectors they are made of are 15 of
/// the 16 registers.
const ROWS: u32 = 6;
/// Vectors of four columns.
const VECTORS: u32 = 2;

// Parameters, as `tile.rs` has them: pointers in bytes, steps in values.
const A: u32 = 0;
const A_ROW: u32 = 1;
const A_STEP: u32 = 2;
const B: u32 = 3;
const B_STEP: u32 = 4;
const INNER: u32 = 5;
const OUT: u32 = 6;
const OUT_ROW: u32 = 7;
const ADD: u32 = 8;
const PARAMETERS: u32 = 9;

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    let out = std::env::var("OUT_DIR").expect("cargo sets it");
    for (name, fused) in [("plain", false), ("fused", true)] {
        std::fs::write(Path::new(&out).join(format!("tile-{name}.wasm")), module(fused))
            .expect("cargo made the folder");
    }
}

/// A module that works on the memory `env.memory` and exports `rows1` … `rows6`.
fn module(fused: bool) -> Vec<u8> {
    let (mut types, mut imports, mut functions) = (TypeSection::new(), ImportSection::new(), FunctionSection::new());
    let (mut exports, mut code) = (ExportSection::new(), CodeSection::new());
    types.ty().function([ValType::I32; PARAMETERS as usize], []);
    let memory = MemoryType { minimum: 0, maximum: None, memory64: false, shared: false, page_size_log2: None };
    imports.import("env", "memory", EntityType::Memory(memory));
    for rows in 1..=ROWS {
        functions.function(0);
        exports.export(&format!("rows{rows}"), ExportKind::Func, rows - 1);
        code.function(&tile(rows, fused));
    }
    let mut module = Module::new();
    module.section(&types).section(&imports).section(&functions).section(&exports).section(&code);
    module.finish()
}

/// The tile of so many rows.
fn tile(rows: u32, fused: bool) -> Function {
    // Where the rows of a begin, beyond the first; the sums; a row of b; an entry of a in every lane.
    let a = |row: u32| if row == 0 { A } else { PARAMETERS + row - 1 };
    let sum = |row: u32, vector: u32| PARAMETERS + rows - 1 + row * VECTORS + vector;
    let b = |vector: u32| sum(rows, 0) + vector;
    let entry = b(VECTORS);
    let mut function = Function::new([(rows - 1, ValType::I32), (rows * VECTORS + VECTORS + 1, ValType::V128)]);
    let mut code = function.instructions();
    for step in [A_ROW, A_STEP, B_STEP, OUT_ROW] {
        code.local_get(step).i32_const(2).i32_shl().local_set(step);
    }
    for row in 1..rows {
        advance(&mut code, a(row - 1), A_ROW, a(row));
    }
    code.block(BlockType::Empty).loop_(BlockType::Empty);
    code.local_get(INNER).i32_eqz().br_if(1);
    for vector in 0..VECTORS {
        code.local_get(B).v128_load(at(vector)).local_set(b(vector));
    }
    for row in 0..rows {
        code.local_get(a(row)).v128_load32_splat(at(0)).local_set(entry);
        for vector in 0..VECTORS {
            if fused {
                code.local_get(entry).local_get(b(vector)).local_get(sum(row, vector)).f32x4_relaxed_madd();
            } else {
                code.local_get(sum(row, vector)).local_get(entry).local_get(b(vector)).f32x4_mul().f32x4_add();
            }
            code.local_set(sum(row, vector));
        }
    }
    for row in 0..rows {
        advance(&mut code, a(row), A_STEP, a(row));
    }
    advance(&mut code, B, B_STEP, B);
    code.local_get(INNER).i32_const(1).i32_sub().local_set(INNER);
    code.br(0).end().end();
    code.local_get(ADD).if_(BlockType::Empty);
    store(&mut code, rows, sum, true);
    code.else_();
    store(&mut code, rows, sum, false);
    code.end().end();
    function
}

/// Writes the sums, or with `add` adds them to what is there.
fn store(code: &mut InstructionSink<'_>, rows: u32, sum: impl Fn(u32, u32) -> u32, add: bool) {
    for row in 0..rows {
        for vector in 0..VECTORS {
            code.local_get(OUT).local_get(sum(row, vector));
            if add {
                code.local_get(OUT).v128_load(at(vector)).f32x4_add();
            }
            code.v128_store(at(vector));
        }
        advance(code, OUT, OUT_ROW, OUT);
    }
}

/// `to ← from + step`.
fn advance(code: &mut InstructionSink<'_>, from: u32, step: u32, to: u32) {
    code.local_get(from).local_get(step).i32_add().local_set(to);
}

/// The place of a vector in a row.
fn at(vector: u32) -> MemArg {
    MemArg { offset: u64::from(16 * vector), align: 2, target: MemArgTarget::Memory(0), ordering: None }
}
