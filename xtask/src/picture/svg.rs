//! What a terminal shows, drawn as SVG: light or dark, as the reader's page is.

use std::fmt::Write;

use unicode_width::UnicodeWidthStr;

use crate::output::escape;

/// A cell of the terminal, in the picture's units: pixels at its own size.
const CELL_WIDTH: f32 = 8.4;
const LINE_HEIGHT: f32 = 19.0;
/// The room around the text.
const MARGIN: f32 = 16.0;
/// From the top of a line to the foot of its letters.
const BASELINE: f32 = 14.0;

/// The colours, on a light page and on a dark one: each has a contrast of 4.5 to 1 or more.
const STYLE: &str = "
    .page { fill: #ffffff; stroke: #d0d7de }
    text { font: 14px ui-monospace, SFMono-Regular, Menlo, Consolas, 'DejaVu Sans Mono', monospace;
           white-space: pre; fill: #1f2328 }
    .bold { font-weight: 600 }
    .dim { fill: #656d76 }
    .red { fill: #c11c27 }
    .green { fill: #116329 }
    .yellow { fill: #7d4e00 }
    @media (prefers-color-scheme: dark) {
      .page { fill: #0d1117; stroke: #3d444d }
      text { fill: #e6edf3 }
      .dim { fill: #9198a1 }
      .red { fill: #ff7b72 }
      .green { fill: #56d364 }
      .yellow { fill: #e3b341 }
    }
";

/// How letters look, as ANSI's SGR sequences set it (ECMA-48, 8.3.117).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Look {
    bold: bool,
    dim: bool,
    colour: Option<&'static str>,
}

/// Draws a screen of so many columns; `about` says in a sentence what there is to see.
pub fn draw(screen: &str, columns: usize, about: &str) -> String {
    let lines: Vec<&str> = screen.lines().collect();
    let width = 2.0 * MARGIN + columns as f32 * CELL_WIDTH;
    let height = 2.0 * MARGIN + lines.len() as f32 * LINE_HEIGHT;
    let about = escape(about);
    let mut drawn = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}\" height=\"{height}\" \
         viewBox=\"0 0 {width} {height}\" role=\"img\" aria-label=\"{about}\">\n\
         <style>{STYLE}</style>\n\
         <rect class=\"page\" x=\"0.5\" y=\"0.5\" width=\"{}\" height=\"{}\" rx=\"8\"/>\n",
        width - 1.0,
        height - 1.0
    );
    let mut look = Look::default();
    for (row, line) in lines.iter().enumerate() {
        let y = MARGIN + row as f32 * LINE_HEIGHT + BASELINE;
        let mut column = 0;
        for (text, look) in runs(line, &mut look) {
            let start = column + text.len() - text.trim_start().len();
            column += text.width();
            let text = text.trim();
            if text.is_empty() {
                continue;
            }
            // Its length is given, so that columns meet whatever the reader's font.
            _ = writeln!(
                drawn,
                "<text x=\"{:.1}\" y=\"{y}\" textLength=\"{:.1}\"{}>{}</text>",
                MARGIN + start as f32 * CELL_WIDTH,
                text.width() as f32 * CELL_WIDTH,
                class(look),
                escape(text)
            );
        }
    }
    drawn.push_str("</svg>\n");
    drawn
}

/// The words of a picture, as [`draw`] wrote them.
#[cfg(test)]
pub fn text_of(picture: &str) -> String {
    let pieces = picture.lines().filter_map(|line| {
        let (_, text) = line.strip_prefix("<text")?.split_once('>')?;
        text.strip_suffix("</text>")
    });
    let text = pieces.collect::<Vec<_>>().join(" ");
    text.replace("&lt;", "<").replace("&gt;", ">").replace("&quot;", "\"").replace("&amp;", "&")
}

/// The pieces of a line, each with its look, which goes on into the next line.
fn runs<'a>(line: &'a str, look: &mut Look) -> Vec<(&'a str, Look)> {
    let mut runs = Vec::new();
    let mut pieces = line.split("\x1b[");
    runs.extend(pieces.next().map(|text| (text, *look)));
    for piece in pieces {
        let (codes, text) = piece.split_once('m').unwrap_or(("", piece));
        for code in codes.split(';') {
            match code {
                "" | "0" => *look = Look::default(),
                "1" => look.bold = true,
                "2" => look.dim = true,
                "22" => (look.bold, look.dim) = (false, false),
                "31" => look.colour = Some("red"),
                "32" => look.colour = Some("green"),
                "33" => look.colour = Some("yellow"),
                "39" => look.colour = None,
                _ => {}
            }
        }
        runs.push((text, *look));
    }
    runs
}

fn class(look: Look) -> String {
    let names = [look.bold.then_some("bold"), look.dim.then_some("dim"), look.colour];
    let names: Vec<&str> = names.into_iter().flatten().collect();
    if names.is_empty() { String::new() } else { format!(" class=\"{}\"", names.join(" ")) }
}

#[cfg(test)]
mod tests {
    use super::{draw, text_of};

    #[test]
    fn letters_keep_their_columns_and_their_look() {
        let drawn = draw("  \x1b[1m\x1b[31mbad\x1b[0m  ok\n\x1b[2m│ a<b & \"c\"\x1b[0m", 20, "it");
        assert!(
            drawn.contains(
                "<text x=\"32.8\" y=\"30\" textLength=\"25.2\" class=\"bold red\">bad</text>\n\
                 <text x=\"74.8\" y=\"30\" textLength=\"16.8\">ok</text>\n\
                 <text x=\"16.0\" y=\"49\" textLength=\"92.4\" class=\"dim\">\
                 │ a&lt;b &amp; &quot;c&quot;</text>\n"
            ),
            "{drawn}"
        );
        assert_eq!(text_of(&drawn), "bad ok │ a<b & \"c\"");
    }
}
