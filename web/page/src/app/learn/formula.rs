//! Formulas in MathML: each symbol is explained where it is pointed to or focused, with the setting that it is.

use apt_experiment::knob;
use leptos::prelude::*;
use wasm_bindgen::JsCast;

use super::Run;

/// A symbol of a formula.
pub(super) struct Symbol {
    /// What marks it in the formula.
    id: &'static str,
    /// As text.
    text: &'static str,
    words: &'static str,
    /// The setting that it is.
    knob: Option<&'static str>,
}

/// A formula with its symbols.
pub(super) struct Formula {
    name: &'static str,
    /// MathML; symbols carry `data-symbol`.
    source: &'static str,
    symbols: &'static [Symbol],
}

const fn symbol(id: &'static str, text: &'static str, words: &'static str, knob: Option<&'static str>) -> Symbol {
    Symbol { id, text, words, knob }
}

/// METHOD §1.1.
pub(super) const LAYER: Formula = Formula {
    name: "What a layer computes",
    source: r#"<math display="block"><mi data-symbol="y">y</mi><mo>=</mo><mi data-symbol="m">m</mi><mo>∘</mo><mo stretchy="false">(</mo><mi data-symbol="w">W</mi><mo>+</mo><mi data-symbol="s">s</mi><mo>·</mo><mi data-symbol="b">B</mi><mi data-symbol="a">A</mi><mo stretchy="false">)</mo><mi data-symbol="x">x</mi></math>"#,
    symbols: &[
        symbol("x", "x", "what the layer reads, one number for each input", None),
        symbol("w", "W", "the pretrained weights, which stay as they are", None),
        symbol("a", "A", "the adapter's first matrix: from the inputs to r numbers", Some("rank")),
        symbol("b", "B", "the adapter's second matrix: from r numbers to the outputs; it begins at 0", Some("rank")),
        symbol("s", "s", "how strongly the adapter counts", Some("rank_scale")),
        symbol("m", "m", "the masks of the outputs, from 1 (there) to 0 (silent)", Some("mask_step")),
        symbol("y", "y", "what the layer passes on", None),
    ],
};

/// METHOD §2.1 and §2.2.
pub(super) const SALIENCE: Formula = Formula {
    name: "The salience of a unit",
    source: r#"<math display="block"><mi data-symbol="s">S</mi><mo>=</mo><munder><mo data-symbol="sum">∑</mo><mi>t</mi></munder><mo stretchy="false">|</mo><mi data-symbol="h">H</mi><mo stretchy="false">|</mo><mo>·</mo><munder><mo data-symbol="sum">∑</mo><mi>t</mi></munder><mo stretchy="false">|</mo><mfrac data-symbol="g"><mrow><mo>∂</mo><mi>L</mi></mrow><mrow><mo>∂</mo><mi>H</mi></mrow></mfrac><mo stretchy="false">|</mo><mo>+</mo><msqrt data-symbol="k"><mrow><mi>Kurt</mi><mo stretchy="false">(</mo><mi>O</mi><mo stretchy="false">)</mo></mrow></msqrt></math>"#,
    symbols: &[
        symbol("s", "S", "the salience; over the steps a running mean of it is taken", Some("salience")),
        symbol("sum", "Σ", "the sum over all tokens t of a batch", Some("batch_size")),
        symbol("h", "H", "the activations of the unit: how strongly it speaks", None),
        symbol("g", "∂L/∂H", "how much the loss changes when the activations do", None),
        symbol(
            "k",
            "√Kurt",
            "large where a few activations are far larger than the rest; scaled so that both terms weigh the same",
            Some("outlier_scale"),
        ),
        symbol("beta", "β", "not seen here: how much of the running mean is kept at each step", Some("beta")),
    ],
};

/// METHOD §4.
pub(super) const DENSITY: Formula = Formula {
    name: "The density aimed at in step t",
    source: r#"<math display="block"><msub data-symbol="now"><mi>γ</mi><mi>t</mi></msub><mo>=</mo><msub data-symbol="end"><mi>γ</mi><mi>T</mi></msub><mo>+</mo><mo stretchy="false">(</mo><mn>1</mn><mo>−</mo><msub data-symbol="end"><mi>γ</mi><mi>T</mi></msub><mo stretchy="false">)</mo><msup><mrow><mo>(</mo><mfrac><mrow><msub data-symbol="last"><mi>t</mi><mi>n</mi></msub><mo>−</mo><mi data-symbol="t">t</mi></mrow><mrow><msub data-symbol="last"><mi>t</mi><mi>n</mi></msub><mo>−</mo><msub data-symbol="first"><mi>t</mi><mn>0</mn></msub></mrow></mfrac><mo>)</mo></mrow><mn data-symbol="cube">3</mn></msup></math>"#,
    symbols: &[
        symbol("now", "γₜ", "the share of the weights that may be left at step t", None),
        symbol("end", "γ_T", "the share that is left at the end", Some("density")),
        symbol("t", "t", "the step of a pruning point", Some("num_prunings")),
        symbol("first", "t₀", "the step at which masks begin to move", Some("tune_first")),
        symbol("last", "tₙ", "the step of the last pruning point", Some("prune_fraction")),
        symbol(
            "cube",
            "³",
            "much goes at first and little at the end; without it density falls in a straight line",
            Some("curve"),
        ),
    ],
};

/// METHOD §5.
pub(super) const RANKS: Formula = Formula {
    name: "The new rank of an adapter that grows",
    source: r#"<math display="block"><msup data-symbol="new"><mi>r</mi><mo>′</mo></msup><mo>=</mo><mi>min</mi><mo stretchy="false">(</mo><msub data-symbol="most"><mi>r</mi><mi>max</mi></msub><mo>,</mo><mo stretchy="false">⌊</mo><mi data-symbol="r">r</mi><mo>·</mo><mrow><mo>(</mo><mn>1</mn><mo>+</mo><mfrac><mrow><mi data-symbol="budget">Δ</mi><mo>−</mo><mi data-symbol="p">P</mi></mrow><msub data-symbol="u"><mi>P</mi><mi>U</mi></msub></mfrac><mo>)</mo></mrow><mo stretchy="false">⌋</mo><mo stretchy="false">)</mo></math>"#,
    symbols: &[
        symbol(
            "new",
            "r′",
            "its rank after the pruning point; U, the more important half of the adapters, grows",
            Some("rank_growth"),
        ),
        symbol("r", "r", "its rank before; all begin with the same", Some("rank")),
        symbol("most", "r_max", "no rank exceeds this multiple of the first", Some("max_rank_factor")),
        symbol("budget", "Δ", "the weights that all adapters may have; it grows with every point", Some("expand")),
        symbol("p", "P", "the weights that all adapters have now", None),
        symbol("u", "P_U", "the weights that the more important half has now", Some("rank_importance")),
    ],
};

/// METHOD §6.3.
pub(super) const DISTILLATION: Formula = Formula {
    name: "The loss while there is a teacher",
    source: r#"<math display="block"><mi data-symbol="l">L</mi><mo>=</mo><mi data-symbol="mu">μ</mi><mo>·</mo><msub data-symbol="d"><mi>L</mi><mi>distill</mi></msub><mo>+</mo><mo stretchy="false">(</mo><mn>1</mn><mo>−</mo><mi data-symbol="mu">μ</mi><mo stretchy="false">)</mo><mo>·</mo><msub data-symbol="task"><mi>L</mi><mi>task</mi></msub></math>"#,
    symbols: &[
        symbol("l", "L", "what training makes smaller", None),
        symbol("mu", "μ", "the teacher's share; it rises from 0 to 1", Some("mu_over")),
        symbol(
            "d",
            "L_distill",
            "how far the small model's answers and inner states are from the teacher's",
            Some("distillation"),
        ),
        symbol("task", "L_task", "how far its answers are from the right ones", Some("task")),
    ],
};

pub(super) fn view(run: Run, formula: &'static Formula) -> impl IntoView {
    let chosen = RwSignal::new(None::<&'static str>);
    let lit = Memo::new(move |_| chosen.get());
    let source = move || match lit.get() {
        Some(id) => {
            let mark = format!("data-symbol=\"{id}\"");
            formula.source.replace(&mark, &format!("{mark} class=\"lit\""))
        }
        None => formula.source.to_owned(),
    };
    let point = move |event: web_sys::PointerEvent| {
        let element = event.target().and_then(|target| target.dyn_into::<web_sys::Element>().ok());
        let marked = element.and_then(|element| element.closest("[data-symbol]").ok().flatten());
        let id = marked.and_then(|marked| marked.get_attribute("data-symbol"));
        if let Some(symbol) = formula.symbols.iter().find(|symbol| Some(symbol.id) == id.as_deref()) {
            chosen.set(Some(symbol.id));
        }
    };
    let key = move |symbol: &'static Symbol| {
        view! {
            <button
                type="button"
                class="symbol-key"
                aria-pressed=move || if chosen.get() == Some(symbol.id) { "true" } else { "false" }
                on:click=move |_| chosen.set(Some(symbol.id))
                on:focus=move |_| chosen.set(Some(symbol.id))
                on:pointerenter=move |_| chosen.set(Some(symbol.id))
            >
                {symbol.text}
            </button>
        }
    };
    let words = move || {
        let symbol = formula.symbols.iter().find(|symbol| Some(symbol.id) == lit.get());
        match symbol {
            Some(symbol) => view! { <b>{symbol.text}</b> ": " {symbol.words} ". " {setting(run, symbol)} }.into_any(),
            None => view! { "Point to a symbol, or reach it with Tab: it is explained here." }.into_any(),
        }
    };
    view! {
        <figure class="formula">
            <figcaption>{formula.name}</figcaption>
            // Written above, by us.
            <div class="formula-math" tabindex="0" role="region" aria-label=formula.name inner_html=source on:pointerover=point></div>
            <div class="symbols" role="group" aria-label="Symbols">{formula.symbols.iter().map(key).collect_view()}</div>
            <p class="symbol-words" role="status">{words}</p>
        </figure>
    }
}

/// The setting that a symbol is, with its value in the run that is shown.
fn setting(run: Run, symbol: &'static Symbol) -> Option<impl IntoView> {
    let knob = knob(symbol.knob?).ok()?;
    let value = run.lab.history.with_value(|history| history.record().map(|record| knob.text(&record.config)));
    let value = value.filter(|value| !value.is_empty());
    Some(view! {
        <span class="aside">
            "Setting " <a href="#lab" title=knob.help>{knob.name.replace('_', " ")}</a> {value.map(|value| format!(", {value} in this run"))} "."
        </span>
    })
}
