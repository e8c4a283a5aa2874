//! The browser's graphics adapter, asked of the browser itself: the page must know it to start the right worker, and the
//! worker to choose a device.

use crate::Adapter;
use js_sys::{Array, Function, Object, Promise, Reflect};
use wasm_bindgen::{JsCast, JsValue};
use wasm_bindgen_futures::JsFuture;

/// What the browser says about its adapter, without opening it.
///
/// # Errors
/// In words, why there is none.
pub async fn describe() -> Result<Adapter, String> {
    let navigator = Reflect::get(&js_sys::global(), &"navigator".into()).unwrap_or_default();
    let gpu = Reflect::get(&navigator, &"gpu".into()).unwrap_or_default();
    if gpu.is_undefined() || gpu.is_null() {
        return Err("this browser offers no WebGPU here; see below how to get it".into());
    }
    let options = Object::new();
    let preference = Reflect::set(&options, &"powerPreference".into(), &"high-performance".into());
    let request = Reflect::get(&gpu, &"requestAdapter".into()).and_then(JsValue::dyn_into::<Function>);
    let (Ok(_), Ok(request)) = (preference, request) else {
        return Err("this browser's WebGPU has no requestAdapter".into());
    };
    let promise = request.call1(&gpu, &options).and_then(JsValue::dyn_into::<Promise>);
    let adapter = match promise {
        Ok(promise) => JsFuture::from(promise).await.map_err(|e| format!("the browser refuses an adapter: {e:?}"))?,
        Err(error) => return Err(format!("the browser refuses an adapter: {error:?}")),
    };
    if adapter.is_null() || adapter.is_undefined() {
        return Err("the browser found no graphics adapter that it trusts".into());
    }
    let info = Reflect::get(&adapter, &"info".into()).unwrap_or_default();
    let word = |name: &str| Reflect::get(&info, &name.into()).ok().and_then(|v| v.as_string()).unwrap_or_default();
    let words = ["vendor", "architecture", "device", "description"].map(word);
    let fallback = Reflect::get(&info, &"isFallbackAdapter".into()).ok().and_then(|v| v.as_bool()).unwrap_or(false);
    let name = words.iter().filter(|w| !w.is_empty()).cloned().collect::<Vec<_>>().join(" ");
    let software = fallback || name.to_lowercase().contains("swiftshader") || name.to_lowercase().contains("llvmpipe");
    let name = if name.is_empty() { "an adapter the browser does not name".into() } else { name };
    Ok(Adapter { name, software, limits: limits(&adapter), features: features(&adapter) })
}

/// The limits that decide how large a model may be.
fn limits(adapter: &JsValue) -> Vec<(String, f64)> {
    const SHOWN: [&str; 8] = [
        "maxBufferSize",
        "maxStorageBufferBindingSize",
        "maxStorageBuffersPerShaderStage",
        "maxComputeWorkgroupStorageSize",
        "maxComputeInvocationsPerWorkgroup",
        "maxComputeWorkgroupSizeX",
        "maxComputeWorkgroupsPerDimension",
        "maxBindGroups",
    ];
    let limits = Reflect::get(adapter, &"limits".into()).unwrap_or_default();
    let value = |name: &str| Some((name.to_owned(), Reflect::get(&limits, &name.into()).ok()?.as_f64()?));
    SHOWN.into_iter().filter_map(value).collect()
}

fn features(adapter: &JsValue) -> Vec<String> {
    let features = Reflect::get(adapter, &"features".into()).unwrap_or_default();
    let mut names: Vec<String> = Array::from(&features).iter().filter_map(|name| name.as_string()).collect();
    names.sort();
    names
}
