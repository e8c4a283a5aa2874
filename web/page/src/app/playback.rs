//! Back and forth through the pruning points of a run, or of two: play, step, a slider with a named tick for each.

use leptos::prelude::*;

use super::browser;

/// How long the way from one pruning point to the next takes, in milliseconds.
const PACE_MS: f64 = 900.0;
const SLOW: f64 = 4.0;
/// A recorded run that plays by itself rests at its end before it begins again.
const REST_MS: f64 = 3000.0;
/// More ticks than this are not all named.
const NAMED: usize = 14;

/// A position on a timeline of pruning points. A handle: copies are the same position.
#[derive(Clone, Copy)]
pub(crate) struct Playback {
    /// The step of every tick.
    pub(crate) ticks: Memo<Vec<usize>>,
    /// 2.5 is half-way from the third tick to the fourth.
    pub(crate) position: RwSignal<f64>,
    /// Where it moves to.
    goal: RwSignal<f64>,
    moving: RwSignal<bool>,
    slow: RwSignal<bool>,
    /// Whether it begins again when it has come to the end.
    repeats: RwSignal<bool>,
}

impl Playback {
    /// At the last of these ticks, to follow when further ones come.
    pub(crate) fn at_end(ticks: Memo<Vec<usize>>) -> Self {
        let playback = Self::new(ticks, ticks.with_untracked(|ticks| last(ticks)));
        Effect::new(move |before: Option<f64>| {
            let end = ticks.with(|ticks| last(ticks));
            // Who looks at an earlier point stays there.
            if before.is_some_and(|before| end > before && playback.goal.get_untracked() >= before) {
                playback.move_to(end);
            } else if before.is_some_and(|before| end < before) {
                playback.jump(end);
            }
            end
        });
        playback
    }

    /// At the whole model; it plays by itself, again and again, where motion is not unwelcome.
    pub(crate) fn repeating(ticks: Memo<Vec<usize>>) -> Self {
        let playback = Self::new(ticks, 0.0);
        let still = browser::media("(prefers-reduced-motion: reduce)");
        playback.repeats.set(!still);
        Effect::new(move || {
            let end = ticks.with(|ticks| last(ticks));
            if still {
                playback.jump(end);
            } else if end > 0.0 {
                playback.move_to(end);
            }
        });
        playback
    }

    /// At this position, until it is moved.
    pub(crate) fn new(ticks: Memo<Vec<usize>>, at: f64) -> Self {
        Self {
            ticks,
            position: RwSignal::new(at),
            goal: RwSignal::new(at),
            moving: RwSignal::new(false),
            slow: RwSignal::new(false),
            repeats: RwSignal::new(false),
        }
    }

    fn end(self) -> f64 {
        self.ticks.with_untracked(|ticks| last(ticks))
    }

    /// The tick that is shown, or that it is on its way to.
    pub(crate) fn tick(self) -> usize {
        self.position.get().ceil() as usize
    }

    /// The step of that tick; `None` for the whole model.
    pub(crate) fn step_shown(self) -> Option<usize> {
        let tick = self.tick();
        self.ticks.with(|ticks| ticks.get(tick).copied()).filter(|_| tick > 0)
    }

    /// That tick in words.
    pub(crate) fn words(self) -> String {
        self.step_shown().map_or_else(|| "before training".to_owned(), |step| format!("step {step}"))
    }

    fn jump(self, to: f64) {
        self.moving.set(false);
        self.goal.set(to);
        self.position.set(to);
    }

    fn choose(self, tick: f64) {
        self.repeats.set(false);
        self.jump(tick.clamp(0.0, self.end()));
    }

    fn step(self, by: f64) {
        let from = if by > 0.0 { self.position.get_untracked().floor() } else { self.position.get_untracked().ceil() };
        self.choose(from + by);
    }

    fn toggle(self) {
        if self.moving.get_untracked() {
            self.repeats.set(false);
            self.moving.set(false);
            return;
        }
        if self.position.get_untracked() >= self.end() {
            self.position.set(0.0);
        }
        self.move_to(self.end());
    }

    fn move_to(self, goal: f64) {
        self.goal.set(goal);
        if browser::media("(prefers-reduced-motion: reduce)") && !self.moving.get_untracked() {
            // Cuts instead of motion.
            self.moving.set(true);
            set_timeout(move || self.cut(), std::time::Duration::from_millis(PACE_MS as u64));
        } else if !self.moving.get_untracked() {
            self.moving.set(true);
            let now = browser::now();
            request_animation_frame(move || self.advance(now));
        }
    }

    /// One frame of motion; the last was at `before`. What shows it may be gone by now.
    fn advance(self, before: f64) {
        if self.moving.try_get_untracked() != Some(true) {
            return;
        }
        let now = browser::now();
        let pace = if self.slow.get_untracked() { SLOW * PACE_MS } else { PACE_MS };
        let goal = self.goal.get_untracked();
        // A tab that was hidden goes on where it was.
        let position = (self.position.get_untracked() + (now - before).min(100.0) / pace).min(goal);
        self.position.set(position);
        if position < goal {
            request_animation_frame(move || self.advance(now));
        } else {
            self.arrive();
        }
    }

    fn cut(self) {
        if self.moving.try_get_untracked() != Some(true) {
            return;
        }
        let goal = self.goal.get_untracked();
        let position = (self.position.get_untracked().floor() + 1.0).min(goal);
        self.position.set(position);
        if position < goal {
            set_timeout(move || self.cut(), std::time::Duration::from_millis(PACE_MS as u64));
        } else {
            self.arrive();
        }
    }

    fn arrive(self) {
        self.moving.set(false);
        if self.repeats.get_untracked() {
            let again = move || {
                let still_there = self.repeats.try_get_untracked() == Some(true) && !self.moving.get_untracked();
                if still_there && self.position.get_untracked() >= self.end() {
                    self.position.set(0.0);
                    self.move_to(self.end());
                }
            };
            set_timeout(again, std::time::Duration::from_millis(REST_MS as u64));
        }
    }

    /// The controls. `words` says what the shown tick is.
    pub(crate) fn view(self, words: impl Fn() -> String + Copy + Send + Sync + 'static) -> impl IntoView {
        let nothing = move || self.ticks.with(|ticks| ticks.len() < 2);
        let play = move || if self.moving.get() { "Pause" } else { "Play" };
        let slide = move |event| {
            if let Ok(tick) = event_target_value(&event).parse() {
                self.choose(tick);
            }
        };
        view! {
            <div class="playback" class:nothing=nothing role="group" aria-label="Through the pruning points">
                <div class="playback-keys">
                    <button type="button" class="button" data-testid="point-before" title="The pruning point before" on:click=move |_| self.step(-1.0)>
                        <span aria-hidden="true">"‹"</span><span class="unseen">"The pruning point before"</span>
                    </button>
                    <button type="button" class="button playback-play" data-testid="playback" on:click=move |_| self.toggle()>{play}</button>
                    <button type="button" class="button" data-testid="point-next" title="The next pruning point" on:click=move |_| self.step(1.0)>
                        <span aria-hidden="true">"›"</span><span class="unseen">"The next pruning point"</span>
                    </button>
                    <label class="switch">
                        <input
                            type="checkbox"
                            data-testid="playback-slow"
                            prop:checked=self.slow
                            on:change=move |event| self.slow.set(event_target_checked(&event))
                        />
                        "slowly"
                    </label>
                </div>
                <div class="timeline">
                    <input
                        type="range"
                        data-testid="scrubber"
                        aria-label="Pruning point"
                        min="0"
                        max=move || self.ticks.with(|ticks| last(ticks)).to_string()
                        step="1"
                        prop:value=move || self.tick().to_string()
                        aria-valuetext=words
                        disabled=nothing
                        on:input=slide
                    />
                    <ol class="ticks">{move || self.names()}</ol>
                </div>
            </div>
        }
    }

    /// The steps of the ticks, each a button; of many, every second or third.
    fn names(self) -> impl IntoView {
        let ticks = self.ticks.get();
        let every = ticks.len().div_ceil(NAMED).max(1);
        let name = move |(place, step): (usize, usize)| {
            let is_named = place % every == 0;
            let shown = if place == 0 { "start".to_owned() } else { step.to_string() };
            let label =
                if place == 0 { "start: before training".to_owned() } else { format!("pruning point at step {step}") };
            view! {
                <li>
                    {is_named.then(|| view! {
                        <button
                            type="button"
                            aria-label=label
                            aria-current=move || (self.tick() == place).then_some("step")
                            on:click=move |_| self.choose(place as f64)
                        >
                            {shown}
                        </button>
                    })}
                </li>
            }
        };
        ticks.into_iter().enumerate().map(name).collect_view()
    }
}

fn last(ticks: &[usize]) -> f64 {
    ticks.len().saturating_sub(1) as f64
}
