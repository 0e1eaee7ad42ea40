//! The pages of the class: how it went, and where it stumbled.

use std::fmt::Write as _;
use std::io;

use grader::report::formats::number;

use super::html::{Page, counted, escaped, links, percent};
use super::misconceptions::{Known, MistakeId};
use super::survey::{CheckCount, State, Survey};
use crate::export::Class;
use crate::export::score::Lateness;

/// How many bars the distribution has: one for each ten percent, and one for all points.
const BARS: usize = 11;
/// The drawing's size and the room for its words, in its own units.
const BAR_WIDTH: usize = 58;
const BAR_HEIGHT: usize = 180;
const ABOVE: usize = 24;
const BELOW: usize = 42;

/// Writes everything but the learners' own pages.
///
/// # Errors
///
/// Those of the output.
pub fn write(
    page: &mut Page,
    class: &Class,
    survey: &Survey,
    known: &Known,
    no_result: &[String],
) -> io::Result<()> {
    page.markup("<main class=\"overview\" id=\"class\">\n")?;
    facts(page, survey)?;
    distribution(page, survey)?;
    checks(page, survey)?;
    misconceptions(page, survey, known)?;
    absences(page, class, survey, no_result)?;
    learners(page, survey)?;
    page.markup("</main>\n")
}

fn facts(page: &mut Page, survey: &Survey) -> io::Result<()> {
    let shares = survey.shares();
    let count = |is: fn(&State) -> bool| survey.rows.iter().filter(|row| is(&row.state)).count();
    let mut facts = vec![
        ("Submissions with points", survey.graded().to_string()),
        ("Missing", count(|state| matches!(state, State::Missing)).to_string()),
        ("Late", count(is_late).to_string()),
        ("Without a verdict", count(|state| matches!(state, State::Open(_))).to_string()),
    ];
    if !shares.is_empty() {
        let mean = shares.iter().sum::<f64>() / shares.len() as f64;
        let middle = shares.len() / 2;
        let median = match shares.len() % 2 {
            0 => f64::midpoint(shares[middle - 1], shares[middle]),
            _ => shares[middle],
        };
        let full = shares.iter().filter(|share| **share >= 99.995).count();
        facts.push(("Mean of core points", format!("{mean:.0} %")));
        facts.push(("Median of core points", format!("{median:.0} %")));
        facts.push(("All core points", full.to_string()));
    }
    page.markup("<dl class=\"facts\">\n")?;
    for (name, value) in facts {
        page.markup(format!("<div><dt>{name}</dt><dd>{}</dd></div>\n", escaped(&value)))?;
    }
    page.markup("</dl>\n")
}

fn is_late(state: &State) -> bool {
    matches!(state, State::Graded { lateness: Lateness::Late { .. }, .. })
}

/// What a bar stands for.
fn range(bar: usize) -> String {
    if bar + 1 == BARS { "100".to_owned() } else { format!("{}–{}", bar * 10, bar * 10 + 9) }
}

fn distribution(page: &mut Page, survey: &Survey) -> io::Result<()> {
    page.markup("<section id=\"distribution\">\n<h2>Distribution</h2>\n")?;
    page.markup("<p>Of the points without extra credit, after what lateness took.</p>\n")?;
    let mut bars = [0_usize; BARS];
    for share in survey.shares() {
        // What is a border but for rounding counts as one.
        let bar = ((share + 0.005) / 10.0).floor().max(0.0) as usize;
        bars[bar.min(BARS - 1)] += 1;
    }
    let most = bars.iter().copied().max().unwrap_or(0);
    if most == 0 {
        return page.markup("<p>Nobody has points yet.</p>\n</section>\n");
    }
    let (width, height) = (BARS * BAR_WIDTH, ABOVE + BAR_HEIGHT + BELOW);
    let mut drawing = format!(
        "<svg viewBox=\"0 0 {width} {height}\" role=\"img\" aria-labelledby=\"bars\">\n\
         <title id=\"bars\">How many submissions have how many percent of the core points; the \
         table below has the numbers.</title>\n"
    );
    let floor = ABOVE + BAR_HEIGHT;
    for (bar, count) in bars.iter().enumerate() {
        let tall = BAR_HEIGHT * count / most;
        let (left, centre) = (bar * BAR_WIDTH + 5, bar * BAR_WIDTH + BAR_WIDTH / 2);
        let top = floor - tall;
        _ = writeln!(
            drawing,
            "<rect x=\"{left}\" y=\"{top}\" width=\"{}\" height=\"{tall}\" rx=\"2\"/>",
            BAR_WIDTH - 10
        );
        _ = writeln!(drawing, "<text x=\"{centre}\" y=\"{}\">{count}</text>", top - 6);
        _ = writeln!(drawing, "<text x=\"{centre}\" y=\"{}\">{}</text>", floor + 18, range(bar));
    }
    _ = writeln!(drawing, "<line x1=\"0\" y1=\"{floor}\" x2=\"{width}\" y2=\"{floor}\"/>");
    _ = writeln!(
        drawing,
        "<text x=\"{}\" y=\"{}\">percent of the core points</text>\n</svg>",
        width / 2,
        floor + 37
    );
    page.markup(drawing)?;
    page.markup("<details>\n<summary>The distribution as a table</summary>\n")?;
    page.markup("<table><thead><tr><th scope=\"col\">Percent of the core points</th>")?;
    page.markup("<th scope=\"col\" class=\"number\">Submissions</th></tr></thead><tbody>\n")?;
    for (bar, count) in bars.iter().enumerate() {
        page.markup(format!(
            "<tr><th scope=\"row\">{}</th><td class=\"number\">{count}</td></tr>\n",
            range(bar)
        ))?;
    }
    page.markup("</tbody></table>\n</details>\n</section>\n")
}

fn checks(page: &mut Page, survey: &Survey) -> io::Result<()> {
    page.markup("<section id=\"checks\">\n<h2>Checks</h2>\n")?;
    page.markup(
        "<p>How many failed each check. A program that does not build fails all of them; one that \
         failed a check which another one needs was not tried on that one.</p>\n",
    )?;
    for (module, counts) in &survey.modules {
        page.element("h3", module)?;
        page.markup(
            "<div class=\"wide\" tabindex=\"0\" role=\"region\" aria-label=\"Failure rates\">\n\
             <table><thead><tr><th scope=\"col\">Check</th><th scope=\"col\">Counts as</th>\
             <th scope=\"col\" class=\"number\">Failed</th>\
             <th scope=\"col\" class=\"track\">Share</th>\
             <th scope=\"col\" class=\"number\">Not tried</th></tr></thead><tbody>\n",
        )?;
        for count in counts {
            check_row(page, count)?;
        }
        page.markup("</tbody></table>\n</div>\n")?;
    }
    page.markup("</section>\n")
}

fn check_row(page: &mut Page, count: &CheckCount) -> io::Result<()> {
    let tried = count.passed + count.failed;
    let share = (100 * count.failed).checked_div(tried).unwrap_or(0);
    let mut not_tried = count.skipped.to_string();
    if count.unsupported > 0 {
        _ = write!(not_tried, ", and {} where it cannot be shown", count.unsupported);
    }
    page.markup(format!(
        "<tr><th scope=\"row\">{}<br><span class=\"soft\">{}</span></th><td>{}</td>\
         <td class=\"number\">{} of {tried}<br>{}</td>\
         <td class=\"track\"><span style=\"width:{share}%\"></span></td>\
         <td class=\"number\">{not_tried}</td></tr>\n",
        escaped(&count.title),
        escaped(&count.id),
        count.worth,
        count.failed,
        percent(count.failed, tried)
    ))
}

fn misconceptions(page: &mut Page, survey: &Survey, known: &Known) -> io::Result<()> {
    page.markup("<section id=\"misconceptions\">\n<h2>Misconceptions</h2>\n")?;
    let graded = survey.graded();
    if survey.mistakes.is_empty() {
        return page.markup("<p>No submission shows a known mistake.</p>\n</section>\n");
    }
    page.markup(
        "<p>Beliefs that would explain what went wrong: each stands behind a known-wrong program \
         that fails the same checks with the same symptoms. Where several programs show the same, \
         all their beliefs are told. Who fits a wider mistake is not counted for a narrower \
         one.</p>\n",
    )?;
    let mut all: Vec<(MistakeId, &Vec<usize>)> =
        survey.mistakes.iter().map(|(id, who)| (*id, who)).collect();
    all.sort_by_key(|(id, who)| (usize::MAX - who.len(), *id));
    for (id, who) in all {
        let (module, beliefs, fails) = known.told(id);
        let beliefs: Vec<String> =
            beliefs.iter().map(|belief| format!("“{}”", escaped(belief))).collect();
        page.markup(format!(
            "<details>\n<summary><strong>{} of {graded}</strong>: {} <span class=\"soft\">({})\
             </span></summary>\n<p class=\"soft\">Fails {}.</p>\n",
            who.len(),
            beliefs.join(", or "),
            escaped(module),
            escaped(&fails.join(", "))
        ))?;
        page.markup(links(who.iter().map(|index| (*index, survey.rows[*index].label.as_str()))))?;
        page.markup("</details>\n")?;
    }
    page.markup("</section>\n")
}

fn absences(
    page: &mut Page,
    class: &Class,
    survey: &Survey,
    no_result: &[String],
) -> io::Result<()> {
    page.markup("<section id=\"late\">\n<h2>Late and missing</h2>\n")?;
    let rows = || survey.rows.iter().enumerate();
    let late: Vec<_> = rows().filter(|(_, row)| is_late(&row.state)).collect();
    if class.rules().assignment().due.is_none() {
        page.markup("<p>No due date was given, so nobody is late.</p>\n")?;
    } else if late.is_empty() {
        page.markup("<p>Nobody is late.</p>\n")?;
    } else {
        page.element("h3", &format!("Late ({})", late.len()))?;
        page.markup("<ul>\n")?;
        for (index, row) in late {
            let State::Graded { lateness, .. } = row.state else { continue };
            page.markup(format!(
                "<li><a href=\"#p{index}\">{}</a>: {}</li>\n",
                escaped(&row.label),
                escaped(&lateness.remark())
            ))?;
        }
        page.markup("</ul>\n")?;
    }
    let unknown = rows()
        .filter(|(_, row)| matches!(row.state, State::Graded { lateness: Lateness::Unknown, .. }));
    let unknown = unknown.count();
    if unknown > 0 {
        page.markup(format!(
            "<p>{} counted as in time, since nobody knows when they were handed in.</p>\n",
            counted(unknown, "submission")
        ))?;
    }
    let missing: Vec<&str> = rows()
        .filter(|(_, row)| matches!(row.state, State::Missing))
        .map(|(_, row)| row.label.as_str())
        .chain(no_result.iter().map(String::as_str))
        .collect();
    page.element("h3", &format!("Missing ({})", missing.len()))?;
    list(page, &missing, "Everybody who is known of handed in something.")?;
    let open = rows().filter_map(|(_, row)| match &row.state {
        State::Open(why) => Some(format!("{}: {why}", row.label)),
        _ => None,
    });
    let open: Vec<String> =
        open.chain(class.open.iter().map(|name| format!("{name}: not graded yet"))).collect();
    if !open.is_empty() {
        page.element("h3", &format!("Without a verdict ({})", open.len()))?;
        page.markup(
            "<p>The grader or the machine failed, which is nobody's zero; run <code>cargo \
                     xtask batch</code> again.</p>\n",
        )?;
        list(page, &open.iter().map(String::as_str).collect::<Vec<_>>(), "")?;
    }
    page.markup("</section>\n")
}

fn list(page: &mut Page, names: &[&str], if_empty: &str) -> io::Result<()> {
    if names.is_empty() {
        return page.element("p", if_empty);
    }
    page.markup("<ul class=\"names\">\n")?;
    for name in names {
        page.element("li", name)?;
    }
    page.markup("</ul>\n")
}

fn learners(page: &mut Page, survey: &Survey) -> io::Result<()> {
    page.markup("<section id=\"learners\">\n<h2>Learners</h2>\n")?;
    page.markup(
        "<div class=\"wide\" tabindex=\"0\" role=\"region\" aria-label=\"All learners\">\n<table>\
         <caption>Each name leads to a page of its own, which prints alone.</caption><thead><tr>\
         <th scope=\"col\">Name</th><th scope=\"col\" class=\"number\">Points</th>",
    )?;
    let several = survey.modules.len() > 1;
    for (module, _) in survey.modules.iter().filter(|_| several) {
        page.markup(format!("<th scope=\"col\" class=\"number\">{}</th>", escaped(module)))?;
    }
    page.markup(
        "<th scope=\"col\" class=\"number\">Core checks not passed</th>\
         <th scope=\"col\">Remark</th></tr></thead><tbody>\n",
    )?;
    for (index, row) in survey.rows.iter().enumerate() {
        page.markup(format!(
            "<tr><th scope=\"row\"><a href=\"#p{index}\">{}</a></th>",
            escaped(&row.label)
        ))?;
        match &row.state {
            State::Graded { points, max_points, modules, failed, lateness, .. } => {
                let of = format!("{} of {max_points}", number(*points));
                page.markup(format!("<td class=\"number\">{of}</td>"))?;
                for points in modules.iter().filter(|_| several) {
                    page.markup(format!("<td class=\"number\">{}</td>", number(*points)))?;
                }
                let remark = escaped(&lateness.remark());
                page.markup(format!("<td class=\"number\">{failed}</td><td>{remark}</td>"))?;
            }
            other => {
                let empty = 2 + if several { survey.modules.len() } else { 0 };
                page.markup("<td class=\"number\">–</td>".repeat(empty))?;
                let remark =
                    if matches!(other, State::Missing) { "missing" } else { "without a verdict" };
                page.markup(format!("<td>{remark}</td>"))?;
            }
        }
        page.markup("</tr>\n")?;
    }
    page.markup("</tbody></table>\n</div>\n</section>\n")
}
