//! Gives the products of the CPU backend the fastest tile that the engine accepts: a module of its own on this program's
//! memory, whose functions take the places of ours in the table of functions, so that a call costs what a call costs.

use apt_nn::tile::{MODULES, agrees, is_used, slots};
use js_sys::{Function, Object, Reflect, Uint8Array, WebAssembly};
use wasm_bindgen::{JsCast, JsValue};

/// Tries the modules, the fastest first; what none of them can do, the program does without.
pub(crate) fn install() {
    let own = functions(slots());
    for (name, code) in MODULES {
        match own.as_ref().map_err(JsValue::clone).and_then(|_| put(code)) {
            Ok(()) if agrees() => {
                is_used(name);
                return;
            }
            Ok(()) => log::warn!("products: {name} gives other sums than this program, and is not used"),
            Err(error) => log::info!("products: {name}: {error:?}"),
        }
    }
    // Whatever was put there last is not to be used.
    if let Ok(own) = own {
        for (slot, function) in slots().into_iter().zip(own) {
            let _ = table().set(slot, &function);
        }
    }
}

fn table() -> WebAssembly::Table {
    wasm_bindgen::function_table().unchecked_into()
}

/// What stands in these places of the table.
fn functions(slots: [u32; 6]) -> Result<Vec<Function>, JsValue> {
    slots.into_iter().map(|slot| table().get(slot)).collect()
}

/// Puts the module's functions into their places.
fn put(code: &[u8]) -> Result<(), JsValue> {
    let module = WebAssembly::Module::new(&Uint8Array::from(code))?;
    let (imports, env) = (Object::new(), Object::new());
    Reflect::set(&env, &"memory".into(), &wasm_bindgen::memory())?;
    Reflect::set(&imports, &"env".into(), &env)?;
    let exports = WebAssembly::Instance::new(&module, &imports)?.exports();
    for (rows, slot) in slots().into_iter().enumerate() {
        let function = Reflect::get(&exports, &format!("rows{}", rows + 1).into())?;
        table().set(slot, function.unchecked_ref())?;
    }
    Ok(())
}
