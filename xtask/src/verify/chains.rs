//! The hints that the author of each known-wrong program would be told, from the first to the last:
//! to be read by a person. The first should name what is seen, the last the cause; none is the
//! code.

use grader::manifest::Manifest;
use grader::page::Page;
use grader::report::text::TextOptions;
use grader::wording;

use super::wrong::{Shown, Wrong};

/// The chains of all `programs`. Nothing is run: what each of them shows stands in its
/// `wrong.toml`.
pub fn told(manifest: &Manifest, programs: &[Wrong], options: &TextOptions) -> String {
    let mut page = Page::new(options);
    for wrong in programs {
        let title = format!("{}, {}: {}", manifest.name, wrong.name, wrong.meaning.misconception);
        page.heading(0, &title);
        for Shown { check: id, symptom, or, .. } in &wrong.meaning.shows {
            let Some(check) = manifest.checks.iter().find(|check| check.id == *id) else {
                continue;
            };
            for symptom in [symptom].into_iter().chain(or) {
                page.prose(2, &format!("{id}, {symptom}: {}", wording::heading(symptom)));
                for (index, hint) in check.hints_for(symptom).iter().enumerate() {
                    page.hanging(4, 3, &format!("{}. {hint}", index + 1));
                }
            }
        }
        page.blank();
    }
    page.text().to_owned()
}
