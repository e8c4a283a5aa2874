//! Device: what this browser can compute on, whether it computes right, and what to do if not.

use apt_bridge::step_times::StepTimes;
use apt_bridge::{Adapter, Check, DeviceReport};
use apt_experiment::Device;
use leptos::prelude::*;

use super::buttons::{action, never};
use super::model_choice;
use super::state::{Engine, Lab};
use crate::figures::{NOTHING, plain};

pub(crate) fn view(lab: Lab) -> impl IntoView {
    let asked = RwSignal::new(false);
    let look = move |again| {
        asked.set(true);
        lab.look_for_gpu(again);
    };
    Effect::new(move || {
        let unknown = lab.devices.with_untracked(Option::is_none) && !asked.get_untracked();
        if lab.engine.get() == Engine::Ready && unknown {
            look(false);
        }
    });
    Effect::new(move || {
        lab.devices.track();
        asked.set(false);
    });
    let ready = move || lab.engine.get() == Engine::Ready && !asked.get();
    view! {
        <div class="page" data-testid="page-device">
            <h1>"Device"</h1>
            <div class="buttons">{action("Test again", "test-again", never, ready, move || look(true))}</div>
            <div aria-live="polite">
                {move || match lab.devices.get() {
                    Some(report) => report_view(report).into_any(),
                    None => view! { <p class="empty" data-testid="device-waiting">{waiting(lab)}</p> }.into_any(),
                }}
            </div>
            <section aria-labelledby="memory-title">
                <h2 id="memory-title">"Memory for the present settings"</h2>
                {model_choice::estimate(lab)}
                {move || lab.estimate.with(Option::is_none).then(|| view! {
                    <p class="empty">"Estimated when the settings can be run and no run is open."</p>
                })}
            </section>
            {help()}
        </div>
    }
}

fn waiting(lab: Lab) -> &'static str {
    match lab.engine.get() {
        Engine::Loading => "The engine is loading.",
        Engine::Ready => "Looking for a GPU and testing it.",
        Engine::Broken => "The engine has stopped; restart it above.",
    }
}

fn report_view(report: DeviceReport) -> impl IntoView {
    let verdict = match (&report.adapter, &report.why_not) {
        (_, Some(why)) => format!("Runs use the CPU: {why}"),
        (Some(adapter), None) => format!("Runs can use the GPU: {}", adapter.name),
        (None, None) => "Runs use the CPU.".to_owned(),
    };
    let is_choice = report.why_not.is_none() && report.adapter.as_ref().is_some_and(|of| of.is_for(Device::Auto));
    let notes = report.notes.into_iter().map(|note| view! { <li>{note}</li> }).collect_view();
    let simd = if report.simd { "with SIMD" } else { "without SIMD" };
    let processors = report.processors.map(|number| format!(", {number} logical processors")).unwrap_or_default();
    view! {
        <p class="verdict-line" data-testid="device-verdict">{verdict}</p>
        <ul>{notes}</ul>
        <p class="aside">{format!("CPU: WebAssembly {simd}, one thread{processors}.")}</p>
        {is_choice.then(|| times(report.times))}
        {checks(report.checks, report.remembered)}
        {report.adapter.map(adapter)}
    }
}

/// What was timed for the choice between both devices.
fn times(times: Vec<StepTimes>) -> impl IntoView {
    let line = |times: StepTimes| {
        view! {
            <tr>
                <th scope="row">{times.size.model()}</th>
                <td class="number">{times.size.batch()}</td>
                <td class="number">{times.gpu.words()}</td>
                <td class="number">{times.cpu_words()}</td>
                <td>{times.taken()}</td>
            </tr>
        }
    };
    let is_known = !times.is_empty();
    view! {
        <section aria-labelledby="times-title">
            <h2 id="times-title">"The faster device"</h2>
            <p>
                "Before a run on " <code>"auto"</code> " a few of its steps are timed on WebGPU and on the CPU, and the faster \
                 is taken: WebGPU, unless the CPU is faster by a tenth. The times are remembered for this adapter, by model \
                 and batch, until it is tested again. The setting " <code>"device"</code> " (" <code>"webgpu"</code> ", "
                <code>"cpu"</code> ") overrides this."
                {(!is_known).then_some(" Nothing has been timed yet.")}
            </p>
            {is_known.then(|| view! {
                <div class="scroll" tabindex="0" role="region" aria-label="Table of times">
                    <table class="runs" data-testid="step-times">
                        <thead>
                            <tr>
                                <th scope="col">"model"</th>
                                <th scope="col" class="number">"batch"</th>
                                <th scope="col" class="number">"WebGPU"</th>
                                <th scope="col" class="number">"CPU"</th>
                                <th scope="col">"taken"</th>
                            </tr>
                        </thead>
                        <tbody>{times.into_iter().map(line).collect_view()}</tbody>
                    </table>
                </div>
                <p class="aside">
                    "Median steps. With several workers: of the share of a batch that each of them has, without what they tell \
                     each other."
                </p>
            })}
        </section>
    }
}

fn checks(checks: Vec<Check>, remembered: bool) -> impl IntoView {
    let passed = checks.iter().filter(|check| check.passed).count();
    let summary = format!(
        "{passed} of {} operations agree with the CPU{}.",
        checks.len(),
        if remembered { ", as remembered from an earlier visit" } else { "" }
    );
    let line = |check: Check| {
        view! {
            <tr class:failed=!check.passed>
                <th scope="row">{check.name}</th>
                <td class="number">{check.difference.map_or_else(|| "not finite".to_owned(), plain)}</td>
                <td>{if check.passed { "passed" } else { "failed" }}</td>
            </tr>
        }
    };
    (!checks.is_empty()).then(|| {
        view! {
            <section aria-labelledby="checks-title">
                <h2 id="checks-title">"Self-test"</h2>
                <p>{summary}</p>
                <div class="scroll" tabindex="0" role="region" aria-label="Table of checks">
                    <table class="runs" data-testid="checks">
                        <thead>
                            <tr>
                                <th scope="col">"operation, forward and backward"</th>
                                <th scope="col" class="number">"largest difference"</th>
                                <th scope="col">"result"</th>
                            </tr>
                        </thead>
                        <tbody>{checks.into_iter().map(line).collect_view()}</tbody>
                    </table>
                </div>
            </section>
        }
    })
}

fn adapter(adapter: Adapter) -> impl IntoView {
    let limit = |(name, value): (String, f64)| {
        view! { <tr><th scope="row">{name}</th><td class="number">{value.to_string()}</td></tr> }
    };
    let features = if adapter.features.is_empty() { NOTHING.to_owned() } else { adapter.features.join(", ") };
    view! {
        <section aria-labelledby="adapter-title">
            <h2 id="adapter-title">"Adapter"</h2>
            <p>
                {adapter.name}
                {adapter.software.then_some(" (software: the browser computes its work on the CPU)")}
            </p>
            <p><span class="aside">"Features: "</span>{features}</p>
            <details>
                <summary>"Limits"</summary>
                <table class="plain" data-testid="limits"><tbody>{adapter.limits.into_iter().map(limit).collect_view()}</tbody></table>
            </details>
        </section>
    }
}

fn help() -> impl IntoView {
    view! {
        <section aria-labelledby="help-title">
            <h2 id="help-title">"If the GPU is missing"</h2>
            <p>"The lab works without one: runs then use the CPU; results agree up to rounding, and large models take longer. To get WebGPU:"</p>
            <dl class="help-list">
                <dt>"Chrome and Edge"</dt>
                <dd>
                    "Version 113 or newer on Windows, macOS and ChromeOS, 121 on Android. On Linux it may need "
                    <code>"chrome://flags/#enable-unsafe-webgpu"</code> ". In the settings, under System, graphics acceleration must be on; "
                    <code>"chrome://gpu"</code> " says what is blocked."
                </dd>
                <dt>"Firefox"</dt>
                <dd>
                    "Version 141 or newer on Windows, 145 on macOS. Elsewhere set " <code>"dom.webgpu.enabled"</code> " in "
                    <code>"about:config"</code> "."
                </dd>
                <dt>"Safari"</dt>
                <dd>"Version 26 on macOS, iOS and iPadOS. In older ones it can be switched on among the feature flags."</dd>
                <dt>"Any browser"</dt>
                <dd>
                    "The page must come over https or from localhost. Update the graphics driver if a check of the self-test fails; set the knob "
                    <code>"device"</code> " to " <code>"cpu"</code> " to do without the GPU."
                </dd>
            </dl>
        </section>
    }
}
