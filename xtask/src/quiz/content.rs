//! What can be proved of a module's questions without asking them.

use crate::quiz::questions::Quiz;
use crate::verify::anchors;
use crate::workspace::{Owner, Workspace};

/// How many questions a module has at least.
const MIN_QUESTIONS: usize = 8;

/// Everything wrong with the module's questions, as sentences that say what to do.
pub fn problems(workspace: &Workspace, module: &'static str) -> Vec<String> {
    let path = workspace.checks_folder(module).join("quiz.toml");
    let quiz = match Quiz::load(&path, module) {
        Ok(quiz) => quiz,
        Err(error) => return vec![error.to_string()],
    };
    let handout = workspace.program_folder(module, Owner::Learner).join("README.md");
    // A missing handout is told where the checks are looked at.
    let sections = fs_err::read_to_string(handout).map(|text| anchors(&text)).unwrap_or_default();
    problems_of(&quiz, &sections)
}

fn problems_of(quiz: &Quiz, sections: &[String]) -> Vec<String> {
    let mut problems = Vec::new();
    let count = quiz.questions.len();
    if count < MIN_QUESTIONS {
        problems.push(format!("quiz.toml has {count} questions; write {MIN_QUESTIONS} or more"));
    }
    for question in &quiz.questions {
        if !sections.contains(&question.lesson) {
            problems.push(format!(
                "the question `{}` points to exercises/{}/README.md#{}, which is no heading; \
                 there are: {}",
                question.id,
                quiz.module,
                question.lesson,
                sections.join(", ")
            ));
        }
    }
    problems
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::modules::TAUGHT;
    use crate::quiz::questions::{Kind, Question, Topic};
    use crate::quiz::session;

    /// What the lecture is about; somewhere in the course each of them is asked.
    const TOPICS: [Topic; 11] = [
        Topic::OsiLayers,
        Topic::Handshake,
        Topic::Close,
        Topic::TcpUdp,
        Topic::Buffers,
        Topic::Addresses,
        Topic::Framing,
        Topic::Broadcast,
        Topic::Options,
        Topic::Http,
        Topic::Transfer,
    ];

    fn all() -> Vec<Quiz> {
        let workspace = Workspace::find().expect("the tests run in the course");
        let load = |name| {
            Quiz::load(&workspace.checks_folder(name).join("quiz.toml"), name)
                .unwrap_or_else(|error| panic!("{error}"))
        };
        TAUGHT.iter().map(|module| load(module.name)).collect()
    }

    #[test]
    fn every_module_has_enough_good_questions() {
        let workspace = Workspace::find().expect("the tests run in the course");
        for module in TAUGHT {
            assert_eq!(problems(&workspace, module.name), Vec::<String>::new(), "{}", module.name);
        }
    }

    #[test]
    fn too_few_questions_and_dead_anchors_are_told() {
        let mut quiz = all().remove(0);
        quiz.questions.truncate(7);
        quiz.questions[2].lesson = "no-such-section".to_owned();
        let sections: Vec<String> =
            quiz.questions.iter().map(|question| question.lesson.clone()).collect();
        let problems = problems_of(&quiz, &sections);
        assert_eq!(problems, ["quiz.toml has 7 questions; write 8 or more"]);
        let problems = problems_of(&quiz, &["the-idea".to_owned()]);
        assert!(
            problems.iter().any(|told| told.contains("README.md#no-such-section")),
            "{problems:?}"
        );
    }

    #[test]
    fn every_topic_of_the_lecture_is_asked() {
        let quizzes = all();
        let asked: BTreeSet<Topic> = quizzes
            .iter()
            .flat_map(|quiz| &quiz.questions)
            .map(|question| question.topic)
            .collect();
        assert_eq!(asked, BTreeSet::from(TOPICS));
        for quiz in &quizzes {
            let predictions =
                quiz.questions.iter().filter(|question| question.kind == Kind::Predict);
            assert!(predictions.count() >= 3, "{} lets nothing be predicted", quiz.module);
        }
    }

    #[test]
    fn no_two_options_of_the_course_have_one_explanation() {
        let quizzes = all();
        let mut seen = BTreeSet::new();
        for question in quizzes.iter().flat_map(|quiz| &quiz.questions) {
            for choice in &question.options {
                assert!(seen.insert(choice.explanation.trim()), "{}", choice.explanation);
            }
        }
    }

    #[test]
    fn the_right_option_is_seldom_given_away_by_its_length() {
        for quiz in all() {
            let is_longest = |question: &&Question| {
                let right = question.options.iter().find(|choice| choice.correct);
                let right = right.map_or(0, |choice| choice.text.len());
                question.options.iter().all(|choice| choice.correct || choice.text.len() < right)
            };
            let given_away = quiz.questions.iter().filter(is_longest).count();
            let count = quiz.questions.len();
            assert!(given_away * 2 <= count, "{}: {given_away} of {count}", quiz.module);
        }
    }

    #[test]
    fn questions_show_in_a_terminal_of_any_locale() {
        let workspace = Workspace::find().expect("the tests run in the course");
        for module in TAUGHT {
            let path = workspace.checks_folder(module.name).join("quiz.toml");
            let text = fs_err::read_to_string(path).expect("read the questions");
            assert!(text.is_ascii(), "{} has letters that LANG=C does not show", module.name);
        }
    }

    #[test]
    fn a_seed_decides_the_mix_and_every_module_is_in_it() {
        let quizzes = all();
        let ids = |seed| {
            let asked = session::mix(&quizzes, 10, seed);
            let shown = |asked: &session::Asked| -> Vec<String> {
                asked.shown().map(|choice| choice.text.clone()).collect()
            };
            let modules: BTreeSet<&str> = asked.iter().map(|asked| asked.module).collect();
            assert_eq!((asked.len(), modules.len()), (10, TAUGHT.len()));
            asked.iter().map(|asked| (asked.question.id.clone(), shown(asked))).collect::<Vec<_>>()
        };
        assert_eq!(ids(7), ids(7));
        assert_ne!(ids(7), ids(8));
    }

    #[test]
    fn the_right_option_comes_at_every_place() {
        let quizzes = all();
        let places: BTreeSet<usize> = (0..20)
            .flat_map(|seed| session::all_of(&quizzes[0], seed))
            .map(|asked| asked.right().0)
            .collect();
        assert_eq!(places, BTreeSet::from([0, 1, 2, 3]));
    }
}
