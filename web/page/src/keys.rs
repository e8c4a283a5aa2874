//! The keys of the presentation mode, and those that count everywhere. Each presses a button of the page, so that there is one definition of what
//! happens, and a key whose button is not there does nothing.

/// What has the focus, and so takes some keys for itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Focus {
    /// Nothing that takes keys.
    Page,
    /// A button, a link, a box to tick: the space bar presses it.
    Button,
    /// A slider, a canvas, a group of choices: arrows move in it.
    Slider,
    /// A field for text or a list: every key is its own.
    Text,
}

/// What a key does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Act {
    /// Goes into the presentation, or leaves it.
    Toggle,
    /// Leaves it.
    Leave,
    /// Presses the first of these buttons that can be pressed.
    Press(&'static [&'static str]),
}

/// Keys as they are shown, and what each does.
pub const SHOWN: [(&str, &str); 6] = [
    ("Space", "play or pause"),
    (".", "one step"),
    ("← →", "pruning points"),
    ("B", "the other run"),
    ("Z", "charts of the pruning steps"),
    ("Esc", "leave"),
];

/// What `key` does while `focus` has the focus. In a presentation the space bar holds and resumes what is `open`, be it
/// one run or two, and else plays the recorded or finished one.
#[must_use]
pub fn act(key: &str, presenting: bool, focus: Focus, open: bool) -> Option<Act> {
    if focus == Focus::Text {
        return None;
    }
    match key {
        "p" | "P" => return Some(Act::Toggle),
        "z" | "Z" => return Some(Act::Press(&["charts-zoom"])),
        _ if !presenting => return None,
        _ => {}
    }
    match key {
        "Escape" => Some(Act::Leave),
        "." => Some(Act::Press(&["step"])),
        "b" | "B" => Some(Act::Press(&["pair-switch"])),
        " " if focus == Focus::Button => None,
        " " if open => Some(Act::Press(&["pair-pause", "pair-resume", "pause", "resume"])),
        " " => Some(Act::Press(&["playback", "start"])),
        "ArrowLeft" | "ArrowRight" if focus == Focus::Slider => None,
        "ArrowLeft" => Some(Act::Press(&["point-before"])),
        "ArrowRight" => Some(Act::Press(&["point-next"])),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn outside_of_a_presentation_two_keys_alone_count() {
        for key in [" ", ".", "b", "ArrowLeft", "ArrowRight", "Escape"] {
            assert_eq!(act(key, false, Focus::Page, true), None, "{key}");
        }
        assert_eq!(act("p", false, Focus::Page, false), Some(Act::Toggle));
        assert_eq!(act("P", true, Focus::Button, false), Some(Act::Toggle));
        for presenting in [false, true] {
            assert_eq!(act("z", presenting, Focus::Slider, true), Some(Act::Press(&["charts-zoom"])));
        }
    }

    #[test]
    fn the_space_bar_holds_what_is_open_and_else_plays_what_was_recorded() {
        assert_eq!(
            act(" ", true, Focus::Page, true),
            Some(Act::Press(&["pair-pause", "pair-resume", "pause", "resume"]))
        );
        assert_eq!(act(" ", true, Focus::Page, false), Some(Act::Press(&["playback", "start"])));
    }

    #[test]
    fn what_has_the_focus_keeps_its_keys() {
        assert_eq!(act(" ", true, Focus::Button, true), None);
        assert_eq!(act("ArrowLeft", true, Focus::Slider, true), None);
        assert_eq!(act("ArrowLeft", true, Focus::Button, true), Some(Act::Press(&["point-before"])));
        assert_eq!(act(".", true, Focus::Slider, true), Some(Act::Press(&["step"])));
        for key in ["p", "z", "b", ".", " ", "Escape"] {
            assert_eq!(act(key, true, Focus::Text, true), None, "{key}");
        }
    }
}
