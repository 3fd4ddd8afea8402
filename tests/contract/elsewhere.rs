//! Problem codes that no request to a healthy node provokes, and the tests that do. The check reads the sources: a test
//! that was renamed or no longer speaks of its code is missed.

use lapwing_api::problem::Code;

const LIFE: &str = "a_referral_lives_its_whole_life_by_hand_and_by_program";

/// The code, how a source names it, the file, the test.
const ELSEWHERE: &[(Code, &str, &str, &str)] = &[
    (Code::Timeout, "Code::Timeout", "crates/http/tests/face.rs", "what_is_wrong_with_a_request_has_its_code"),
    (Code::Internal, "Code::Internal", "crates/http/tests/face.rs", "what_is_wrong_with_a_request_has_its_code"),
    (
        Code::Stopping,
        "Code::Stopping",
        "crates/node/src/desk/testnodes.rs",
        "a_node_that_stops_says_so_to_those_who_still_ask",
    ),
    (
        Code::NotReleased,
        "not_released",
        "tests/release.rs",
        "a_red_case_has_no_road_out_but_its_officers_eyes_and_what_was_tried_is_on_the_trail",
    ),
    (
        Code::SearchNotReady,
        "Code::SearchNotReady",
        "crates/node/src/desk/testnodes/searching.rs",
        "a_damaged_index_is_made_anew_by_itself_and_never_answers_with_less",
    ),
    (
        Code::LessHarmfulFirst,
        "LessHarmfulFirst",
        "tests/drafts.rs",
        "a_draft_is_saved_resumed_copied_and_sent_in_the_order_of_harm",
    ),
    (Code::DiskFull, "Code::DiskFull", "crates/http/src/request.rs", "a_full_disk_is_told_from_a_broken_one"),
    (Code::Unreachable, "Code::Unreachable", "crates/api/src/client.rs", "a_node_that_is_not_there_is_a_clear_problem"),
    (Code::WrongState, "Code::WrongState", "tests/life.rs", LIFE),
    (Code::NotAssured, "Code::NotAssured", "tests/life.rs", LIFE),
    (Code::ConsentNeeded, "Code::ConsentNeeded", "tests/life.rs", LIFE),
    (Code::TooSoon, "Code::TooSoon", "tests/life.rs", LIFE),
    (
        Code::Config,
        "Code::Config",
        "tests/wrong_input/verbs.rs",
        // run by `every_verb_refuses_wrong_input_with_a_code_and_what_to_do_and_writes_nothing`
        "sweep",
    ),
];

/// Whether a test is named for the code.
pub fn provokes(code: Code) -> bool {
    ELSEWHERE.iter().any(|(c, ..)| *c == code)
}

/// Every test that is named exists, and its source speaks of the code.
pub fn check() {
    for (code, name, file, test) in ELSEWHERE {
        let path = format!("{}/../../{file}", env!("CARGO_MANIFEST_DIR"));
        let source = std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{file}: {e}"));
        assert!(source.contains(&format!("fn {test}(")), "{}: {file} has no test {test}", code.as_str());
        assert!(source.contains(name), "{}: {file} does not speak of it", code.as_str());
    }
}
