//! The four ablation tables on the page.

use apt_lab::Axis;
use leptos::prelude::*;

use super::compare::go_to;
use super::state::{Lab, Page};
use crate::ablation::{Arm, Setting, axes, settings, table};
use crate::figures::{bytes, metric, milliseconds, or_nothing, seconds, share};

pub(crate) fn view(lab: Lab) -> impl IntoView {
    let chosen = RwSignal::new(0usize);
    let all = Memo::new(move |_| lab.records.with(|records| settings(records)));
    let setting = Memo::new(move |_| all.with(|all| all.get(chosen.get()).or(all.first()).cloned()));
    let option = |(place, setting): (usize, Setting)| {
        let runs = if setting.runs == 1 { "1 run".to_owned() } else { format!("{} runs", setting.runs) };
        view! { <option value=place.to_string()>{format!("{runs}: {}", setting.describe())}</option> }
    };
    let pick = move |event| chosen.set(event_target_value(&event).parse().unwrap_or(0));
    view! {
        <section aria-labelledby="ablations-title" data-testid="ablations">
            <h2 id="ablations-title">"Ablations"</h2>
            <p>
                "An arm is compared only with runs that differ in nothing else, on the same device. Where an arm has several seeds, the mean is shown with their number N; intervals and differences stand below, under Over seeds."
            </p>
            <p class="line" class:nothing=move || all.with(|all| all.len() < 2)>
                <label for="setting">"Setting"</label>
                <select id="setting" data-testid="setting" on:change=pick>
                    {move || all.get().into_iter().enumerate().map(option).collect_view()}
                </select>
            </p>
            {move || setting.get().map(|setting| view! { <p class="aside">{setting.describe()}</p> })}
            <div class="ablations">
                {axes().into_iter().map(|(axis, _)| of_axis(lab, axis, setting)).collect_view()}
            </div>
        </section>
    }
}

fn of_axis(lab: Lab, axis: Axis, setting: Memo<Option<Setting>>) -> impl IntoView {
    let arms = move || {
        let setting =
            setting.get().unwrap_or_else(|| Setting { knobs: Default::default(), device: String::new(), runs: 0 });
        lab.records.with(|records| table(axis, &setting, records)).into_iter().map(|arm| line(lab, arm)).collect_view()
    };
    view! {
        <div class="scroll" tabindex="0" role="region" aria-label=format!("Ablation of {}", axis.name())>
            <table class="runs" data-testid=format!("ablation-{}", axis.name())>
                <caption>{axis.name()}</caption>
                <thead>
                    <tr>
                        <th scope="col">"arm"</th>
                        <th scope="col" class="number">"N"</th>
                        <th scope="col" class="number">"validation"</th>
                        <th scope="col" class="number">"test"</th>
                        <th scope="col" class="number">"training"</th>
                        <th scope="col" class="number">"to target"</th>
                        <th scope="col" class="number">"peak memory"</th>
                        <th scope="col" class="number">"kept"</th>
                        <th scope="col" class="number">"inference, 32"</th>
                    </tr>
                </thead>
                <tbody>{arms}</tbody>
            </table>
        </div>
    }
}

fn line(lab: Lab, arm: Arm) -> impl IntoView {
    let preset = arm.preset;
    let cells = [
        or_nothing(arm.validation, metric),
        or_nothing(arm.test, metric),
        or_nothing(arm.seconds, seconds),
        or_nothing(arm.seconds_to_target, seconds),
        or_nothing(arm.peak_bytes, |peak| bytes(peak as u64)),
        or_nothing(arm.kept, share),
        or_nothing(arm.milliseconds, milliseconds),
    ];
    let count = arm.runs.len();
    let prepare = move |_| {
        lab.settings.update(|settings| settings.choose(preset));
        go_to(Page::Lab);
    };
    let missing = (count == 0 && !lab.is_open()).then(|| {
        view! { <button type="button" class="button quiet" on:click=prepare>"Prepare a run"</button> }
    });
    view! {
        <tr>
            <th scope="row">{arm.name.replace('_', " ")} " " {missing}</th>
            <td class="number" title=arm.runs.join(", ")>{count}</td>
            {cells.into_iter().map(|cell| view! { <td class="number">{cell}</td> }).collect_view()}
        </tr>
    }
}
