//! A stranger's text in a chat: it names nobody, links nowhere and looks like text.
//!
//! The mark between two characters is a zero-width space. It is seen by nobody, and what it parts means nothing any more.

const PARTED: char = '\u{200b}';

/// For receivers that know no markup but mentions: `@`, and `<` with which markup begins, are parted from what follows, and
/// so is the text of a link from its address.
pub(super) fn plain(text: &str) -> String {
    rewritten(text, |c, out| out.push(c))
}

/// For Slack, and what takes messages made for it.
pub(super) fn slack(text: &str) -> String {
    rewritten(text, |c, out| match c {
        '&' => out.push_str("&amp;"),
        '<' => out.push_str("&lt;"),
        '>' => out.push_str("&gt;"),
        _ => out.push(c),
    })
}

/// For receivers that read Markdown, Discord above all.
pub(super) fn markdown(text: &str) -> String {
    rewritten(text, |c, out| {
        if "\\`*_~|#>-+[]()".contains(c) {
            out.push('\\');
        }
        out.push(c);
    })
}

fn rewritten(text: &str, write: impl Fn(char, &mut String)) -> String {
    let mut out = String::with_capacity(text.len());
    let mut before = ' ';
    for c in text.chars() {
        if before == ']' && c == '(' {
            out.push(PARTED);
        }
        write(c, &mut out);
        if matches!(c, '@' | '<') {
            out.push(PARTED);
        }
        before = c;
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_is_named_and_nothing_is_linked() {
        for (text, parted) in [
            ("api.example.com", "api.example.com"),
            ("@everyone", "@|everyone"),
            ("<!channel>", "<|!channel>"),
            ("<at>all</at>", "<|at>all<|/at>"),
            ("[a](http://b)", "[a]|(http://b)"),
        ] {
            assert_eq!(plain(text), parted.replace('|', "\u{200b}"));
        }
    }

    #[test]
    fn slack_sees_no_markup() {
        assert_eq!(slack("<!here> & @all"), "&lt;\u{200b}!here&gt; &amp; @\u{200b}all");
    }

    #[test]
    fn markdown_is_shown_as_it_was_written() {
        assert_eq!(markdown(r"**a**_b_\"), r"\*\*a\*\*\_b\_\\");
        assert_eq!(markdown("[a](b)"), "\\[a\\]\u{200b}\\(b\\)");
        assert_eq!(markdown("@here"), "@\u{200b}here");
    }
}
