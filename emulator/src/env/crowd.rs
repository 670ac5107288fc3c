//! Several questions at once, and patience for the answers.

use std::sync::mpsc::channel;
use std::time::Duration;

use super::{Clock, SystemClock};

/// Asks everything at once, each in a thread of its own, and gives what was answered within `patience`, in
/// the order of the questions. A question that is not answered by then goes on by itself, so it has to
/// end by itself.
pub fn ask_within<T: Send + 'static>(
    patience: Duration,
    questions: Vec<Box<dyn FnOnce() -> T + Send>>,
) -> Vec<Option<T>> {
    let clock = SystemClock::new();
    let mut answers: Vec<Option<T>> = questions.iter().map(|_| None).collect();
    let (tell, hear) = channel();
    let mut waiting = 0;
    for (place, question) in questions.into_iter().enumerate() {
        let tell = tell.clone();
        // Where there is no room for a thread, the question stays without an answer.
        let asked = std::thread::Builder::new().spawn(move || {
            // Nobody may be left to hear it.
            let _ = tell.send((place, question()));
        });
        waiting += usize::from(asked.is_ok());
    }
    drop(tell);
    while waiting > 0 {
        let Ok((place, answer)) = hear.recv_timeout(patience.saturating_sub(clock.now())) else {
            break;
        };
        if let Some(cell) = answers.get_mut(place) {
            *cell = Some(answer);
        }
        waiting -= 1;
    }
    answers
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_does_not_answer_in_time_is_not_waited_for() {
        let (never, waits) = channel::<()>();
        let answers = ask_within(
            Duration::from_millis(200),
            vec![
                Box::new(|| 1),
                Box::new(move || {
                    // Until the test is over.
                    let _ = waits.recv();
                    2
                }),
                Box::new(|| 3),
            ],
        );
        assert_eq!(answers, [Some(1), None, Some(3)]);
        drop(never);
    }
}
