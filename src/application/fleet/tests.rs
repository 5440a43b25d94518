use super::*;

const NOW: UnixTime = UnixTime::from_secs(1_000_000);
const LATER: UnixTime = UnixTime::from_secs(2_000_000);

/// A proxy whose store answers.
fn fleet() -> Fleet {
    let mut fleet = Fleet::new("edge", 1);
    fleet.succeed(NOW);
    fleet
}

fn tell(key: &str) -> Command {
    Command::Tell(key.to_owned(), LATER)
}

/// Asks whatever may be asked apart from claims, in calls numbered from `first` on; the commands.
fn ask_all(fleet: &mut Fleet, first: u64) -> Vec<Command> {
    let mut commands = Vec::new();
    for call in first.. {
        let Some(question) = fleet.take(NOW) else { break };
        if let Question::Note(note) = &question {
            commands.push(note.command.clone());
        }
        fleet.ask(CallId(call), question, NOW);
    }
    commands
}

fn answered(fleet: &mut Fleet, call: u64) -> Note {
    let Some(Question::Note(note)) = fleet.answered(CallId(call)) else { panic!("call {call}") };
    note
}

/// How many claims are asked until no more may be.
fn claim_all(fleet: &mut Fleet) -> usize {
    // What is no note counts as a claim.
    let mut count = 0;
    while fleet.may_claim(NOW) {
        count += 1;
        fleet.ask(CallId(100), Question::Greeting, NOW);
    }
    count
}

#[test]
fn notes_and_claims_have_room_of_their_own_and_what_was_told_goes_first() {
    let mut busy = fleet();
    assert_eq!(claim_all(&mut busy), 8);
    (0..9).for_each(|number| busy.owe(tell(&number.to_string())));
    assert_eq!(ask_all(&mut busy, 1).len(), 6, "they do not wait for the claims");
    let mut writing = fleet();
    (0..9).for_each(|number| writing.owe(tell(&number.to_string())));
    assert_eq!(ask_all(&mut writing, 1).len(), 6);
    assert_eq!(claim_all(&mut writing), 2, "three are still to be written");
}

#[test]
fn what_is_for_people_is_written_when_there_is_nothing_else() {
    let mut fleet = fleet();
    let sign = Command::Sign("check".to_owned(), LATER);
    fleet.owe(sign.clone());
    fleet.owe(tell("a"));
    assert_eq!(ask_all(&mut fleet, 1), [tell("a"), sign.clone()]);
    fleet.owe(sign);
    assert_eq!(claim_all(&mut fleet), 8, "no claim waits for it");
}

#[test]
fn under_one_key_notes_are_written_in_their_order() {
    let mut fleet = fleet();
    let forget = Command::Forget("a".to_owned(), LATER);
    for command in [tell("a"), forget.clone(), tell("b")] {
        fleet.owe(command);
    }
    assert_eq!(ask_all(&mut fleet, 1), [tell("a"), tell("b")]);
    assert_eq!(fleet.next(NOW), NOW.after(FORGOTTEN), "it is not looked at again and again");
    let note = answered(&mut fleet, 1);
    fleet.owe_again(note);
    assert_eq!(ask_all(&mut fleet, 3), [forget], "what is newer stands in its place");
}

#[test]
fn a_note_that_redis_refuses_stops_no_other_and_is_given_up() {
    let mut fleet = fleet();
    fleet.owe(tell("refused"));
    fleet.owe(tell("b"));
    for call in 1..=3 {
        let Some(Question::Note(note)) = fleet.take(NOW) else { panic!("call {call}") };
        assert_eq!(note.command, tell(if call == 2 { "b" } else { "refused" }));
        if call != 2 {
            fleet.refused(note);
        }
    }
    assert_eq!(fleet.take_lost(), 0);
    let Some(Question::Note(note)) = fleet.take(NOW) else { panic!("it is asked a third time") };
    fleet.refused(note);
    assert_eq!((fleet.take(NOW), fleet.take_lost(), fleet.take_lost()), (None, 1, 0));
}

#[test]
fn a_store_that_is_away_is_asked_whether_it_is_there_and_nothing_else() {
    let mut fleet = fleet();
    fleet.fail(NOW.before(ASK_AGAIN));
    fleet.owe(tell("a"));
    assert_eq!(fleet.take(NOW), Some(Question::Greeting));
    fleet.succeed(NOW);
    assert_eq!(ask_all(&mut fleet, 2), [tell("a")], "though claims wait");
    assert!(!fleet.may_claim(NOW));
}

#[test]
fn what_is_too_much_to_keep_is_counted() {
    let mut fleet = fleet();
    let event = Event::test("hooks", 1, NOW);
    for _ in 0..MOST_TOLD + 3 {
        fleet.tell(Told { event: event.clone(), handler: 0, noticed_at: NOW, is_sent: true });
    }
    assert_eq!((fleet.told.len(), fleet.take_lost()), (MOST_TOLD, 3));
}

#[test]
fn a_clock_that_goes_back_a_little_forgets_no_question() {
    let mut fleet = fleet();
    fleet.ask(CallId(1), Question::Greeting, NOW);
    assert_eq!(fleet.forgotten(NOW.before(Duration::from_millis(1))), None);
    assert_eq!(fleet.forgotten(NOW.after(FORGOTTEN / 2)), None);
    assert_eq!(fleet.forgotten(NOW.before(FORGOTTEN * 2)), Some(Question::Greeting), "it was set back");
    fleet.ask(CallId(2), Question::Greeting, NOW);
    assert_eq!(fleet.forgotten(NOW.after(FORGOTTEN)), Some(Question::Greeting));
}
